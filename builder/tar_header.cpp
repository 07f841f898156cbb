// SPDX-License-Identifier: Apache-2.0
#include "builder/tar_header.hpp"

#include <algorithm>

namespace nydus::builder {

namespace {

using header_bytes = std::array<std::byte, 512>;

void put(header_bytes& header, std::size_t at, std::string_view text) {
  std::transform(text.begin(), text.end(), header.begin() + static_cast<std::ptrdiff_t>(at),
                 [](char c) { return static_cast<std::byte>(c); });
}

void put_octal(header_bytes& header, std::size_t at, std::size_t digits, std::uint64_t number) {
  for (auto i = digits; i-- > 0; number /= 8)
    header[at + i] = static_cast<std::byte>('0' + number % 8);
}

} // namespace

std::array<std::byte, 512> tar_header(std::string_view name, std::uint64_t size) {
  header_bytes header{};
  put(header, 0, name);
  put_octal(header, 124, 11, size);
  put_octal(header, 136, 11, 0); // mtime
  put(header, 148, "        ");  // checksum: as spaces while it is computed
  put(header, 156, "0");         // regular file
  put(header, 257, "ustar  ");   // GNU magic and version, NUL behind
  std::uint64_t sum = 0;
  for (const auto byte : header)
    sum += std::to_integer<std::uint64_t>(byte);
  put_octal(header, 148, 7, sum);
  header[155] = std::byte{0};
  return header;
}

} // namespace nydus::builder
