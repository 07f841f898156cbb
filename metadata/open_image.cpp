// SPDX-License-Identifier: Apache-2.0
// Tells image formats apart by their bytes.
#include "metadata/image.hpp"
#include "metadata/inlined_bootstrap.hpp"
#include "metadata/mapped_file.hpp"
#include "metadata/rafs_v5/image_v5.hpp"
#include "metadata/rafs_v6/image_v6.hpp"
#include "metadata/rafs_v6/superblock_check.hpp"

namespace nydus {

result<std::shared_ptr<const image>> open_image(const std::string& path) {
  auto file = mapped_file::open(path);
  if (!file)
    return std::move(file).error();
  const auto bytes = (*file)->bytes();
  const auto bootstrap = bootstrap_in(bytes);
  const auto bootstrap_offset = static_cast<std::size_t>(bootstrap.data() - bytes.data());
  const auto name = path.substr(path.rfind('/') + 1);
  auto opened = rafs_v6::has_magic(bootstrap)
                    ? rafs_v6::open(std::move(*file), bootstrap_offset, bootstrap.size(), name)
                    : rafs_v5::open(std::move(*file), bootstrap_offset, bootstrap.size(), name);
  if (!opened)
    return failure{opened.error().code, path + ": " + opened.error().detail};
  return opened;
}

} // namespace nydus
