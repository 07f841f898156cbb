// SPDX-License-Identifier: Apache-2.0
// /dev/fuse itself: mounting, the INIT exchange, clones per reactor, and the notifications that drop kernel
// caches.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "protocol/fuse/init_handshake.hpp"
#include "protocol/result.hpp"
#include "protocol/unique_fd.hpp"

namespace nydus::fuse {

/// One mounted FUSE session of the host. The kernel's mount stays until unmount(), whoever holds descriptors.
///
/// Threads: one owner; the notify functions are for a thread that may block (the kernel takes directory locks
/// that a
///   request to us may hold), never for a reactor.
class device {
public:
  struct mount_options {
    std::string mountpoint; // an existing directory
    bool is_read_only = true;
    std::string source = "rafs"; // as /proc/mounts shows it
  };

  /// Mounts and answers INIT; blocks until the kernel has asked. unavailable names the call that failed.
  static result<device> mount(const mount_options& options);

  const session_terms& terms() const noexcept { return terms_; }
  const std::string& mountpoint() const noexcept { return mountpoint_; }
  int fd() const noexcept { return fd_.get(); }

  /// A further descriptor of the same session, with a queue of its own for the requests it reads;
  /// non-blocking.
  result<unique_fd> clone() const;

  /// Lets the kernel read 1 MiB ahead of sequential readers, if this process may say so. Asks the session for
  /// its root's attributes: only once requests are answered, and never from a reactor.
  void raise_readahead() const noexcept;

  /// Detaches the mount. The session ends once the last user inside has left.
  void unmount() noexcept;

private:
  unique_fd fd_;
  std::string mountpoint_;
  session_terms terms_;
};

/// Makes the kernel forget the name `name` in directory `parent`. Waits for the directory's lock, which a
/// request to us may hold. An unknown name is no failure.
result<void> notify_entry_gone(int fd, std::uint64_t parent, std::string_view name);
/// Makes the kernel ask for an inode's attributes again. A directory's listing is read anew if they tell
/// another mtime, since init_handshake agrees on FUSE_AUTO_INVAL_DATA. Its pages are left alone, so this
/// waits for nobody: a page is locked as long as its reader's memory is not there.
result<void> notify_attributes_changed(int fd, std::uint64_t nodeid);

} // namespace nydus::fuse
