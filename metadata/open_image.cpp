// SPDX-License-Identifier: Apache-2.0
// Tells image formats apart by their bytes.
#include <cstring>

#include "metadata/image.hpp"
#include "metadata/inlined_bootstrap.hpp"
#include "metadata/mapped_file.hpp"
#include "metadata/rafs_v5/image_v5.hpp"
#include "metadata/rafs_v5/layout.hpp"
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
  const auto name = path.substr(path.rfind('/') + 1);
  const auto with_path =
      [&](result<std::shared_ptr<const image>> opened) -> result<std::shared_ptr<const image>> {
    if (!opened)
      return failure{opened.error().code, path + ": " + opened.error().detail};
    return opened;
  };
  if (const auto inlined = bootstrap_in(bytes); inlined.size() != bytes.size()) {
    const auto offset = static_cast<std::size_t>(inlined.data() - bytes.data());
    return with_path(rafs_v5::open(std::move(*file), offset, inlined.size(), name));
  }
  if (is_erofs(bytes))
    return failure{errc::not_supported, path + " is a RAFS v6 image; this build reads RAFS v5 only"};
  if (bytes.size() < sizeof(rafs_v5::superblock))
    return failure{errc::corrupt, path + ": invalid RAFS superblock: the file has only " +
                                      std::to_string(bytes.size()) + " bytes"};
  return with_path(rafs_v5::open(std::move(*file), 0, bytes.size(), name));
}

} // namespace nydus
