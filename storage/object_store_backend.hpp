// SPDX-License-Identifier: Apache-2.0
// Blobs as objects of a bucket: Alibaba's OSS ("Include signatures in the Authorization header", V1) and
// whatever speaks Amazon's S3 (Signature Version 4, names in the path).
#pragma once

#include <memory>

#include "storage/blob_backend.hpp"

namespace nydus {

/// Ask nothing before the first read.
std::shared_ptr<blob_backend> make_oss_backend(const object_store_config& config);
std::shared_ptr<blob_backend> make_s3_backend(const object_store_config& config);

} // namespace nydus
