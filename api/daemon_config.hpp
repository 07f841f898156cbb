// SPDX-License-Identifier: Apache-2.0
// From configuration text to mount_settings: v2 as JSON or TOML, v1 JSON, and the oldest form (contract
// section 2).
#pragma once

#include <string>
#include <string_view>

#include "protocol/result.hpp"
#include "storage/mount_settings.hpp"

namespace nydus {

/// malformed names the field, what it is and what would be right. Unknown fields are passed over.
result<mount_settings> parse_config(std::string_view text);

/// The text of the file at `path`, at most 1 MiB.
result<std::string> read_config_file(const std::string& path);

/// What --localfs-dir stands for.
mount_settings settings_for_directory(const std::string& directory);

} // namespace nydus
