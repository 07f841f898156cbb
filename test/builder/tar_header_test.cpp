// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <string>

#include "builder/tar_header.hpp"

TEST_SUITE_BEGIN("builder/tar_header");

TEST_CASE("the header has name, size and checksum where tar looks for them and zeros elsewhere") {
  const auto bytes = nydus::builder::tar_header("image.boot", 0x1234);
  const std::string text{reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  std::string wanted(512, '\0');
  wanted.replace(0, 10, "image.boot");
  wanted.replace(124, 11, "00000011064");
  wanted.replace(136, 11, "00000000000");
  wanted.replace(148, 8, "        ");
  wanted.replace(156, 1, "0");
  wanted.replace(257, 7, "ustar  ");
  unsigned sum = 0;
  for (const char byte : wanted)
    sum += static_cast<unsigned char>(byte);
  std::string octal(7, '0');
  for (std::size_t i = 7; i-- > 0; sum /= 8)
    octal[i] = static_cast<char>('0' + sum % 8);
  wanted.replace(148, 8, octal + std::string(1, '\0'));
  CHECK(text == wanted);
}
