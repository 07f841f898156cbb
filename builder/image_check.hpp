// SPDX-License-Identifier: Apache-2.0
// `nydus-image check`: reads all metadata of an image with the daemon's own reader.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "metadata/image.hpp"
#include "protocol/result.hpp"

namespace nydus::builder {

/// Opens the image and walks it: every record is read, every digest computed, every chunk's place checked.
/// `show`: called with a line per inode and chunk; may be empty. corrupt names the inode and the cause.
result<std::shared_ptr<const image>> check_image(const std::string& bootstrap,
                                                 const std::function<void(const std::string&)>& show);

/// corrupt if a blob in `directory` is shorter than the image says; a warning if it is not there.
result<void> check_blobs(const image& checked, const std::string& directory);

/// The lines that say that the image is valid and what blobs it refers to.
std::string describe_blobs(const image& checked);

/// "COMPRESSION_LZ4 | HASH_BLAKE3"
std::string describe_flags(const image& checked);

} // namespace nydus::builder
