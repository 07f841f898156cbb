// SPDX-License-Identifier: Apache-2.0
#include "builder/path_open.hpp"

#include <fcntl.h>

#include <cerrno>
#include <string_view>

namespace nydus::builder {

namespace {
constexpr std::size_t longest_step = 3800; // with a name of 255 bytes still below PATH_MAX (4096)
}

failure source_failure(std::string what, int error_number) {
  auto why = system_failure(std::move(what), error_number);
  if (error_number == EACCES || error_number == EPERM)
    why.detail += "; build as a user who may read it";
  return why;
}

result<unique_fd> open_node(int source_descriptor, const std::string& source, const tree_node& node,
                            int flags) {
  flags |=
      O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK; // a file that became a fifo must not hang the build
  const auto whole = path_of(node).substr(1);
  std::string_view rest = whole;
  unique_fd step;
  const auto from = [&] { return step ? step.get() : source_descriptor; };
  while (rest.size() > longest_step) {
    const auto slash = rest.rfind('/', longest_step);
    const std::string part{rest.substr(0, slash)};
    unique_fd next{::openat(from(), part.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
    if (!next)
      return source_failure("open " + source + "/" + whole, errno);
    step = std::move(next);
    rest.remove_prefix(slash + 1);
  }
  const std::string last = rest.empty() ? "." : std::string{rest};
  unique_fd opened{::openat(from(), last.c_str(), flags)};
  if (!opened)
    return source_failure("open " + source + "/" + whole, errno);
  return opened;
}

} // namespace nydus::builder
