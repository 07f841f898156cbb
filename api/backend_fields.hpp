// SPDX-License-Identifier: Apache-2.0
// The fields of a registry backend and of all backends behind a network, as configurations of every age spell
// them.
#pragma once

#include "api/config_value.hpp"
#include "storage/backend_config.hpp"

namespace nydus {

/// Fills in what `backend.kind` names; what is wrong is remembered by `fields`.
void read_backend_fields(config_reader& fields, backend_config& backend);

/// Whether the text is base64 of "user:password".
bool is_basic_auth(const std::string& text);

} // namespace nydus
