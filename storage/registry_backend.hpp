// SPDX-License-Identifier: Apache-2.0
// Blobs in a registry (OCI distribution specification, "pulling blobs"): ranges of them by HTTP.
#pragma once

#include <memory>

#include "storage/blob_backend.hpp"

namespace nydus {

/// Asks nothing before the first read.
std::shared_ptr<blob_backend> make_registry_backend(const registry_config& config);

} // namespace nydus
