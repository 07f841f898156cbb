// SPDX-License-Identifier: Apache-2.0
// Finds the bootstrap inside a blob that ends with it (RAFS v5 spec section 14).
#pragma once

#include <cstddef>
#include <span>

namespace nydus {

/// The bootstrap that ends right before a closing tar header "image.boot"; else all of `file`.
std::span<const std::byte> bootstrap_in(std::span<const std::byte> file) noexcept;

} // namespace nydus
