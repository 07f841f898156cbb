// SPDX-License-Identifier: Apache-2.0
// What this nydus-image is called.
#pragma once

#include <string>

namespace nydus::builder {

/// "0.1.0-<commit>"
std::string version();

/// The text of --version.
std::string version_text();

} // namespace nydus::builder
