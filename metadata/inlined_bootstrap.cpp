// SPDX-License-Identifier: Apache-2.0
#include "metadata/inlined_bootstrap.hpp"

#include <cstring>

namespace nydus {

namespace {
constexpr std::size_t tar_header_size = 512;
}

std::span<const std::byte> bootstrap_in(std::span<const std::byte> file) noexcept {
  if (file.size() < tar_header_size)
    return file;
  const auto header = file.last(tar_header_size);
  const auto* text = reinterpret_cast<const char*>(header.data());
  if (std::strncmp(text, "image.boot", 100) != 0 || std::memcmp(text + 257, "ustar", 5) != 0 ||
      text[156] != '0')
    return file;
  std::size_t size = 0;
  for (int i = 0; i < 11; ++i) { // octal digits
    if (text[124 + i] < '0' || text[124 + i] > '7')
      return file;
    size = size * 8 + static_cast<std::size_t>(text[124 + i] - '0');
  }
  if (size == 0 || size > file.size() - tar_header_size)
    return file;
  return file.subspan(file.size() - tar_header_size - size, size);
}

} // namespace nydus
