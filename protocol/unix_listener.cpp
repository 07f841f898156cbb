// SPDX-License-Identifier: Apache-2.0
#include "protocol/unix_listener.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace nydus {

result<unique_fd> listen_at(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path)
    return failure{errc::malformed, "socket path '" + path + "' has " + std::to_string(path.size()) +
                                        " bytes; 1 to 107 are possible"};
  std::memcpy(address.sun_path, path.data(), path.size());
  unique_fd listener{::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  if (!listener)
    return system_failure("make a socket for " + path, errno);
  struct stat there {};
  if (::lstat(path.c_str(), &there) == 0) {
    if (!S_ISSOCK(there.st_mode))
      return failure{errc::malformed, "listen at " + path + ": something else than a socket lies there"};
    ::unlink(path.c_str());
  }
  // The mode of the descriptor becomes the mode of the file: no moment at which others may connect.
  if (::fchmod(listener.get(), 0600) != 0)
    return system_failure("set the mode of " + path, errno);
  if (::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return system_failure("bind " + path, errno);
  if (::listen(listener.get(), SOMAXCONN) != 0)
    return system_failure("listen at " + path, errno);
  return listener;
}

} // namespace nydus
