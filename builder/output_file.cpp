// SPDX-License-Identifier: Apache-2.0
#include "builder/output_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace nydus::builder {

namespace {
constexpr std::size_t buffer_size = 256 * 1024; // many chunks are small
constexpr int attempts = 100;                   // for a free temporary name
} // namespace

output_file::output_file(std::string directory, std::string path)
    : directory_(std::move(directory)), path_(std::move(path)), buffer_(buffer_size) {}

output_file::output_file(output_file&& other) noexcept
    : directory_(std::move(other.directory_)), path_(std::move(other.path_)),
      temporary_(std::exchange(other.temporary_, {})), file_(std::move(other.file_)),
      buffer_(std::move(other.buffer_)), buffered_(std::exchange(other.buffered_, 0)), size_(other.size_),
      digest_(std::move(other.digest_)) {}

output_file::~output_file() {
  if (!temporary_.empty())
    ::unlink(temporary_.c_str());
}

result<output_file> output_file::at(const std::string& path) {
  const auto slash = path.rfind('/');
  output_file made{slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash), path};
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0) {
    if (S_ISDIR(status.st_mode))
      return failure{errc::is_a_directory, path + " is a directory, an output file is needed"};
    if (!S_ISREG(status.st_mode))
      return made;
  }
  if (auto opened = made.open_temporary(); !opened)
    return std::move(opened).error();
  return made;
}

result<output_file> output_file::in(const std::string& directory) {
  output_file made{directory, {}};
  if (auto opened = made.open_temporary(); !opened)
    return std::move(opened).error();
  return made;
}

result<void> output_file::open_temporary() {
  const auto stem = directory_ + "/.nydus-image." + std::to_string(::getpid()) + ".";
  for (int attempt = 0; attempt < attempts && !file_; ++attempt) {
    temporary_ = stem + std::to_string(attempt);
    file_ = unique_fd{::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666)};
    if (!file_ && errno != EEXIST)
      break;
  }
  if (file_)
    return {};
  temporary_.clear();
  const int why = errno;
  if (why == ENOENT || why == ENOTDIR)
    return failure{errc::not_found, "write " + (path_.empty() ? "to " + directory_ : path_) +
                                        ": there is no directory " + directory_ + "; make it first"};
  return system_failure("create a file in " + directory_ + (path_.empty() ? "" : " for " + path_), why);
}

result<void> output_file::open_in_place() {
  if (file_)
    return {};
  file_ = unique_fd{::open(path_.c_str(), O_WRONLY | O_CLOEXEC)};
  if (!file_)
    return system_failure("open " + path_, errno);
  return {};
}

result<void> output_file::write(std::span<const std::byte> bytes) {
  digest_.update(bytes);
  size_ += bytes.size();
  if (buffered_ + bytes.size() > buffer_.size())
    if (auto flushed = flush(); !flushed)
      return flushed;
  if (bytes.size() >= buffer_.size())
    return write_through(bytes);
  if (!bytes.empty())
    std::memcpy(buffer_.span().data() + buffered_, bytes.data(), bytes.size());
  buffered_ += bytes.size();
  return {};
}

result<void> output_file::flush() {
  const auto ready = buffer_.span().first(std::exchange(buffered_, 0));
  return write_through(ready);
}

result<void> output_file::write_through(std::span<const std::byte> bytes) {
  if (auto opened = open_in_place(); !opened)
    return opened;
  while (!bytes.empty()) {
    const auto written = ::write(file_.get(), bytes.data(), bytes.size());
    if (written < 0)
      return system_failure("write " + (path_.empty() ? temporary_ : path_), errno);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return {};
}

result<std::string> output_file::publish(const std::string& name) {
  const auto place = path_.empty() ? directory_ + "/" + name : path_;
  if (auto flushed = flush(); !flushed)
    return std::move(flushed).error();
  if (::close(file_.release()) != 0) // where a network file system tells of a full disk
    return system_failure("write " + place, errno);
  if (!temporary_.empty() && ::rename(temporary_.c_str(), place.c_str()) != 0)
    return system_failure("rename " + temporary_ + " to " + place, errno);
  temporary_.clear();
  return place;
}

result<void> output_file::abandon() {
  if (temporary_.empty())
    return open_in_place();
  file_.reset();
  ::unlink(temporary_.c_str());
  temporary_.clear();
  if (!path_.empty() && ::unlink(path_.c_str()) != 0 && errno != ENOENT)
    return system_failure("remove " + path_, errno);
  return {};
}

} // namespace nydus::builder
