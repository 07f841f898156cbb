// SPDX-License-Identifier: Apache-2.0
// The tar headers that close the parts of a blob with an inlined bootstrap (spec section 14).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace nydus::builder {

/// A GNU header for a regular file; all that identifies no content is zero. `size` < 8 GiB.
std::array<std::byte, 512> tar_header(std::string_view name, std::uint64_t size);

} // namespace nydus::builder
