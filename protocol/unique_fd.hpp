// SPDX-License-Identifier: Apache-2.0
// Owns one file descriptor and closes it once.
#pragma once

#include <unistd.h>

#include <utility>

namespace nydus {

class unique_fd {
public:
  unique_fd() noexcept = default;
  explicit unique_fd(int descriptor) noexcept : fd_(descriptor) {}
  unique_fd(unique_fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  unique_fd& operator=(unique_fd&& other) noexcept {
    if (this != &other) {
      reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  ~unique_fd() { reset(); }

  int get() const noexcept { return fd_; }
  explicit operator bool() const noexcept { return fd_ >= 0; }
  /// Gives the descriptor up; the caller closes it.
  int release() noexcept { return std::exchange(fd_, -1); }
  void reset() noexcept {
    if (fd_ >= 0)
      ::close(std::exchange(fd_, -1));
  }

private:
  int fd_ = -1;
};

} // namespace nydus
