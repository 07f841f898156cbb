// SPDX-License-Identifier: Apache-2.0
// Tells image formats apart by their bytes.
#include <cstring>

#include "metadata/image.hpp"
#include "metadata/mapped_file.hpp"
#include "metadata/rafs_v5/image_v5.hpp"
#include "metadata/rafs_v5/layout.hpp"
#include "protocol/bytes/little_endian.hpp"

namespace nydus {

namespace {

constexpr std::size_t erofs_superblock_offset = 1024;
constexpr std::uint32_t erofs_magic = 0xe0f5e1e2;
constexpr std::size_t tar_header_size = 512;

bool is_erofs(std::span<const std::byte> bytes) noexcept {
  le32 word;
  if (bytes.size() < erofs_superblock_offset + sizeof word)
    return false;
  std::memcpy(&word, bytes.data() + erofs_superblock_offset, sizeof word);
  return word == erofs_magic;
}

/// Bytes of the bootstrap that ends right before a closing tar header "image.boot" (RAFS v5 spec section 14);
/// 0: none.
std::size_t inlined_bootstrap_size(std::span<const std::byte> bytes) noexcept {
  if (bytes.size() < tar_header_size)
    return 0;
  const auto header = bytes.last(tar_header_size);
  const auto* text = reinterpret_cast<const char*>(header.data());
  if (std::strncmp(text, "image.boot", 100) != 0 || std::memcmp(text + 257, "ustar", 5) != 0 ||
      text[156] != '0')
    return 0;
  std::size_t size = 0;
  for (int i = 0; i < 11; ++i) { // octal digits
    if (text[124 + i] < '0' || text[124 + i] > '7')
      return 0;
    size = size * 8 + static_cast<std::size_t>(text[124 + i] - '0');
  }
  return size <= bytes.size() - tar_header_size ? size : 0;
}

} // namespace

result<std::shared_ptr<const image>> open_image(const std::string& path) {
  auto file = mapped_file::open(path);
  if (!file)
    return std::move(file).error();
  const auto bytes = (*file)->bytes();
  const auto name = path.substr(path.rfind('/') + 1);
  const auto with_path =
      [&](result<std::shared_ptr<const image>> opened) -> result<std::shared_ptr<const image>> {
    if (!opened)
      return failure{opened.error().code, path + ": " + opened.error().detail};
    return opened;
  };
  if (const auto size = inlined_bootstrap_size(bytes); size != 0)
    return with_path(rafs_v5::open(std::move(*file), bytes.size() - tar_header_size - size, size, name));
  if (is_erofs(bytes))
    return failure{errc::not_supported, path + " is a RAFS v6 image; this build reads RAFS v5 only"};
  if (bytes.size() < sizeof(rafs_v5::superblock))
    return failure{errc::corrupt, path + ": invalid RAFS superblock: the file has only " +
                                      std::to_string(bytes.size()) + " bytes"};
  return with_path(rafs_v5::open(std::move(*file), 0, bytes.size(), name));
}

} // namespace nydus
