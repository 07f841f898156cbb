// SPDX-License-Identifier: Apache-2.0
// The fields of a registry backend and of all backends behind a network, as configurations of every age spell
// them.
#pragma once

#include "api/config_value.hpp"
#include "storage/backend_config.hpp"

namespace nydus {

/// Fills in `registry`; what is wrong is remembered by `fields`.
void read_registry(config_reader& fields, registry_config& registry);

/// Whether the text is base64 of "user:password".
bool is_basic_auth(const std::string& text);

} // namespace nydus
