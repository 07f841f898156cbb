// SPDX-License-Identifier: Apache-2.0
// The one error vocabulary: its words are what the kernel (errno) and an API client (HTTP status) are told.
// Neighbours: result.hpp carries a failure; everything above uses both.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

namespace nydus {

/// Why something could not be done. Each value has one errno and one HTTP status.
enum class errc : std::uint8_t {
  none = 0,
  not_found,        ///< No such inode, name, mount or blob.                    ENOENT / 404
  already_exists,   ///< The mountpoint is taken.                              EEXIST / 500
  not_supported,    ///< Opcode, backend or feature that this build lacks.     ENOSYS / 501
  read_only,        ///< A change was asked of a read-only image.              EROFS  / 400
  malformed,        ///< Bytes from guest, kernel, client or config are wrong. EINVAL / 400
  corrupt,          ///< Layout check, decompression or digest fails.          EIO    / 500
  not_a_directory,  ///< A directory was needed.                               ENOTDIR / 400
  is_a_directory,   ///< A file was needed.                                    EISDIR / 400
  no_attribute,     ///< The inode has no such extended attribute.             ENODATA / 404
  buffer_too_small, ///< The answer does not fit what the caller gave.         ERANGE / 400
  no_space,         ///< The disk of the cache is full.                        ENOSPC / 500
  backend_down,     ///< The blobs' backend fails, retries included.           EIO    / 504
  timed_out,        ///< The deadline of the request passed.                   ETIMEDOUT / 504
  interrupted,      ///< The caller gave the request up.                       EINTR  / 500
  abandoned,        ///< Whoever should have answered went away.               EIO    / 500
  wrong_state,      ///< The daemon's state does not allow it now.             EBUSY  / 400
  not_ready,        ///< The daemon has not started serving yet.               EAGAIN / 503
  unavailable,      ///< A system call failed; detail names it.                EIO    / 500
};

/// A code for the caller and a text for the log: names the field, the value and the cause.
struct failure {
  errc code = errc::none;
  std::string detail;
};

/// The errno (positive) that stands for `code` on a FUSE reply; 0 for none.
int to_errno(errc code) noexcept;

/// The HTTP status that stands for `code`; 200 for none.
int to_http_status(errc code) noexcept;

/// The code's name, as written above.
const char* to_string(errc code) noexcept;

/// A failure made of errno after a failed system call: ENOENT, ENOSPC and EINTR keep their meaning,
/// all else is `unavailable`. `what` says what was tried and on what ("open /x/y").
failure system_failure(std::string what, int error_number);

} // namespace nydus
