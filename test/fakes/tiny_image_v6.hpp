// SPDX-License-Identifier: Apache-2.0
// Makes the images of tiny_image.hpp in RAFS v6, straight from its layout.hpp. Files with holes are not among
// them.
#pragma once

#include "metadata/rafs_v6/layout.hpp"
#include "test/fakes/tiny_image.hpp"

namespace nydus {

/// As make_tiny_image(); inode numbers are nids.
tiny_image_bytes make_tiny_image_v6(const tiny_image& wanted);

} // namespace nydus
