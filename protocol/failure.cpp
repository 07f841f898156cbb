// SPDX-License-Identifier: Apache-2.0
#include "protocol/failure.hpp"

#include <cerrno>
#include <cstring>

namespace nydus {

int to_errno(errc code) noexcept {
  switch (code) {
  case errc::none:
    return 0;
  case errc::not_found:
    return ENOENT;
  case errc::already_exists:
    return EEXIST;
  case errc::not_supported:
    return ENOSYS;
  case errc::read_only:
    return EROFS;
  case errc::malformed:
    return EINVAL;
  case errc::corrupt:
    return EIO;
  case errc::not_a_directory:
    return ENOTDIR;
  case errc::is_a_directory:
    return EISDIR;
  case errc::no_attribute:
    return ENODATA;
  case errc::buffer_too_small:
    return ERANGE;
  case errc::no_space:
    return ENOSPC;
  case errc::backend_down:
    return EIO;
  case errc::timed_out:
    return ETIMEDOUT;
  case errc::interrupted:
    return EINTR;
  case errc::abandoned:
    return EIO;
  case errc::wrong_state:
    return EBUSY;
  case errc::not_ready:
    return EAGAIN;
  case errc::unavailable:
    return EIO;
  }
  return EIO;
}

int to_http_status(errc code) noexcept {
  switch (code) {
  case errc::none:
    return 200;
  case errc::not_found:
  case errc::no_attribute:
    return 404;
  case errc::not_supported:
    return 501;
  case errc::read_only:
  case errc::malformed:
  case errc::not_a_directory:
  case errc::is_a_directory:
  case errc::buffer_too_small:
  case errc::wrong_state:
    return 400;
  case errc::not_ready:
    return 503;
  case errc::backend_down:
  case errc::timed_out:
    return 504;
  case errc::already_exists:
  case errc::corrupt:
  case errc::no_space:
  case errc::interrupted:
  case errc::abandoned:
  case errc::unavailable:
    return 500;
  }
  return 500;
}

const char* to_string(errc code) noexcept {
  switch (code) {
  case errc::none:
    return "none";
  case errc::not_found:
    return "not_found";
  case errc::already_exists:
    return "already_exists";
  case errc::not_supported:
    return "not_supported";
  case errc::read_only:
    return "read_only";
  case errc::malformed:
    return "malformed";
  case errc::corrupt:
    return "corrupt";
  case errc::not_a_directory:
    return "not_a_directory";
  case errc::is_a_directory:
    return "is_a_directory";
  case errc::no_attribute:
    return "no_attribute";
  case errc::buffer_too_small:
    return "buffer_too_small";
  case errc::no_space:
    return "no_space";
  case errc::backend_down:
    return "backend_down";
  case errc::timed_out:
    return "timed_out";
  case errc::interrupted:
    return "interrupted";
  case errc::abandoned:
    return "abandoned";
  case errc::wrong_state:
    return "wrong_state";
  case errc::not_ready:
    return "not_ready";
  case errc::unavailable:
    return "unavailable";
  }
  return "unknown";
}

failure system_failure(std::string what, int error_number) {
  auto code = errc::unavailable;
  switch (error_number) {
  case ENOENT:
    code = errc::not_found;
    break;
  case ENOSPC:
  case EDQUOT:
    code = errc::no_space;
    break;
  case EINTR:
    code = errc::interrupted;
    break;
  default:
    break;
  }
  return {code, what + ": " + std::strerror(error_number)};
}

} // namespace nydus
