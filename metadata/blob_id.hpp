// SPDX-License-Identifier: Apache-2.0
// What may name a blob: the id names files of the cache and objects of a backend.
#pragma once

#include <string>
#include <string_view>

namespace nydus {

/// Whether the id is a plain file name of plain text, short enough for what caches append to it.
bool is_blob_id(std::string_view id) noexcept;

/// The id of a blob that holds its own bootstrap, which was written before the id could be known: the name of
/// the file it was found in, without extensions (RAFS v5 spec section 14, RAFS v6 spec section 5.3).
std::string blob_id_of(const std::string& bootstrap_name);

/// Whether an id is the place-holder of such bootstraps.
bool is_placeholder_id(std::string_view id) noexcept;

} // namespace nydus
