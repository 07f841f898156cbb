// SPDX-License-Identifier: Apache-2.0
// Tells image formats apart by their bytes.
#include <cstring>

#include "metadata/image.hpp"
#include "metadata/inlined_bootstrap.hpp"
#include "metadata/mapped_file.hpp"
#include "metadata/rafs_v5/image_v5.hpp"
#include "protocol/bytes/little_endian.hpp"

namespace nydus {

namespace {

constexpr std::size_t erofs_superblock_offset = 1024;
constexpr std::uint32_t erofs_magic = 0xe0f5e1e2;

bool is_erofs(std::span<const std::byte> bytes) noexcept {
  le32 word;
  if (bytes.size() < erofs_superblock_offset + sizeof word)
    return false;
  std::memcpy(&word, bytes.data() + erofs_superblock_offset, sizeof word);
  return word == erofs_magic;
}

} // namespace

result<std::shared_ptr<const image>> open_image(const std::string& path) {
  auto file = mapped_file::open(path);
  if (!file)
    return std::move(file).error();
  const auto bytes = (*file)->bytes();
  const auto bootstrap = bootstrap_in(bytes);
  const auto bootstrap_offset = static_cast<std::size_t>(bootstrap.data() - bytes.data());
  if (is_erofs(bootstrap))
    return failure{errc::not_supported, path + " is a RAFS v6 image; this build reads RAFS v5 only"};
  const auto name = path.substr(path.rfind('/') + 1);
  auto opened = rafs_v5::open(std::move(*file), bootstrap_offset, bootstrap.size(), name);
  if (!opened)
    return failure{opened.error().code, path + ": " + opened.error().detail};
  return opened;
}

} // namespace nydus
