// SPDX-License-Identifier: Apache-2.0
#include "protocol/fuse/device.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

namespace nydus::fuse {

namespace {

// Reads ahead of sequential readers; the kernel's own default of 128 KiB makes eight requests of one.
constexpr unsigned readahead_kilobytes = 1024;

result<session_terms> settle(int fd) {
  std::vector<std::byte> buffer(request_buffer_size);
  while (true) {
    const auto size = ::read(fd, buffer.data(), buffer.size());
    if (size < 0 && (errno == EINTR || errno == EAGAIN)) {
      pollfd readable{fd, POLLIN, 0};
      ::poll(&readable, 1, -1);
      continue;
    }
    if (size < 0)
      return system_failure("read FUSE INIT", errno);
    auto outcome = answer_init(std::span{buffer}.first(static_cast<std::size_t>(size)));
    if (!outcome)
      return outcome.error();
    if (::write(fd, outcome->reply.data(), outcome->reply.size()) < 0)
      return system_failure("answer FUSE INIT", errno);
    if (outcome->is_settled)
      return outcome->terms;
  }
}

result<void> notify(int fd, int code, std::span<const std::byte> body, std::string_view name) {
  fuse_out_header header{};
  header.error = code;
  std::array<iovec, 3> parts{};
  const char nul = 0;
  // A name is followed by its NUL; without one only header and body are sent.
  std::vector<char> name_and_nul(name.begin(), name.end());
  name_and_nul.push_back(nul);
  parts[0] = {&header, sizeof header};
  parts[1] = {const_cast<std::byte*>(body.data()), body.size()};
  parts[2] = {name_and_nul.data(), name.empty() ? 0 : name_and_nul.size()};
  header.len = static_cast<std::uint32_t>(parts[0].iov_len + parts[1].iov_len + parts[2].iov_len);
  if (::writev(fd, parts.data(), static_cast<int>(parts.size())) < 0 && errno != ENOENT)
    return system_failure("notify the kernel", errno);
  return {};
}

} // namespace

result<device> device::mount(const mount_options& options) {
  device session;
  session.mountpoint_ = options.mountpoint;
  session.fd_ = unique_fd{::open("/dev/fuse", O_RDWR | O_CLOEXEC | O_NONBLOCK)};
  if (!session.fd_)
    return system_failure("open /dev/fuse", errno);
  const auto data = "default_permissions,allow_other,fd=" + std::to_string(session.fd_.get()) +
                    ",rootmode=40000,user_id=" + std::to_string(::geteuid()) +
                    ",group_id=" + std::to_string(::getegid()) +
                    ",max_read=" + std::to_string(max_read + 4096);
  unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOATIME;
  if (options.is_read_only)
    flags |= MS_RDONLY;
  if (::mount(options.source.c_str(), options.mountpoint.c_str(), "fuse", flags, data.c_str()) != 0)
    return system_failure("mount FUSE on " + options.mountpoint, errno);
  auto terms = settle(session.fd_.get());
  if (!terms) {
    session.unmount();
    return terms.error();
  }
  session.terms_ = *terms;
  return session;
}

result<unique_fd> device::clone() const {
  unique_fd copy{::open("/dev/fuse", O_RDWR | O_CLOEXEC | O_NONBLOCK)};
  if (!copy)
    return system_failure("open /dev/fuse", errno);
  auto original = static_cast<std::uint32_t>(fd_.get());
  if (::ioctl(copy.get(), FUSE_DEV_IOC_CLONE, &original) != 0)
    return system_failure("clone /dev/fuse", errno);
  return copy;
}

void device::raise_readahead() const noexcept {
  struct stat root {};
  if (::stat(mountpoint_.c_str(), &root) != 0)
    return;
  const auto path = "/sys/class/bdi/" + std::to_string(gnu_dev_major(root.st_dev)) + ":" +
                    std::to_string(gnu_dev_minor(root.st_dev)) + "/read_ahead_kb";
  const unique_fd setting{::open(path.c_str(), O_WRONLY | O_CLOEXEC)};
  const auto value = std::to_string(readahead_kilobytes);
  if (setting)
    (void) !::write(setting.get(), value.data(), value.size()); // an unprivileged daemon goes without
}

void device::unmount() noexcept {
  ::umount2(mountpoint_.c_str(), MNT_DETACH);
}

result<void> notify_entry_gone(int fd, std::uint64_t parent, std::string_view name) {
  fuse_notify_inval_entry_out out{};
  out.parent = parent;
  out.namelen = static_cast<std::uint32_t>(name.size());
  return notify(fd, FUSE_NOTIFY_INVAL_ENTRY, std::as_bytes(std::span{&out, 1}), name);
}

result<void> notify_attributes_changed(int fd, std::uint64_t nodeid) {
  fuse_notify_inval_inode_out out{};
  out.ino = nodeid;
  out.off = -1; // no pages
  return notify(fd, FUSE_NOTIFY_INVAL_INODE, std::as_bytes(std::span{&out, 1}), {});
}

} // namespace nydus::fuse
