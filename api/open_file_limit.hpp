// SPDX-License-Identifier: Apache-2.0
// How many files the process may have open (contract 1.5).
#pragma once

#include <cstdint>

#include "protocol/result.hpp"

namespace nydus {

/// Raises the limit to `wanted` files (0: leaves it alone), within what the system has. A failure is worth a
/// warning and no more.
result<void> raise_open_file_limit(std::uint64_t wanted);

} // namespace nydus
