// SPDX-License-Identifier: Apache-2.0
#include "storage/directory_backend.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "protocol/unique_fd.hpp"

namespace nydus {

namespace {

class directory_backend final : public blob_backend {
public:
  explicit directory_backend(const localfs_config& config) : config_(config) {}

  void read(const blob_range& range, read_done done) override { done(read_now(range)); }

  result<std::uint64_t> size(std::string_view blob_id) override {
    auto opened = open_blob(blob_id);
    if (!opened)
      return opened.error();
    struct stat status {};
    if (::fstat(opened->fd.get(), &status) != 0)
      return failure{errc::backend_down, system_failure("stat " + opened->path, errno).detail};
    return static_cast<std::uint64_t>(status.st_size);
  }

private:
  struct open_file {
    unique_fd fd;
    std::string path;
  };

  result<open_file> open_blob(std::string_view blob_id) const {
    if (blob_id.empty() || blob_id == "." || blob_id == ".." || blob_id.find('/') != std::string_view::npos)
      return failure{errc::malformed, "blob id '" + std::string{blob_id} + "' is no file name"};
    if (!config_.blob_file.empty())
      return try_open(config_.blob_file);
    auto opened = try_open(config_.directory + "/" + std::string{blob_id});
    for (const auto& directory : config_.other_directories) {
      if (opened || opened.error().code != errc::not_found)
        break;
      opened = try_open(directory + "/" + std::string{blob_id});
    }
    return opened;
  }

  static result<open_file> try_open(std::string path) {
    unique_fd fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
    if (fd)
      return open_file{std::move(fd), std::move(path)};
    auto why = system_failure("open blob " + path, errno);
    if (why.code != errc::not_found)
      why.code = errc::backend_down;
    return why;
  }

  result<owned_bytes> read_now(const blob_range& range) const {
    auto opened = open_blob(range.blob_id);
    if (!opened)
      return opened.error();
    struct stat status {};
    if (::fstat(opened->fd.get(), &status) != 0)
      return failure{errc::backend_down, system_failure("stat " + opened->path, errno).detail};
    // Known before the buffer is made: an image that lies costs no memory.
    const auto end = static_cast<std::uint64_t>(status.st_size);
    if (range.offset > end || range.size > end - range.offset)
      return failure{errc::backend_down, opened->path + " has " + std::to_string(end) +
                                             " bytes, wanted are " + std::to_string(range.size) + " from " +
                                             std::to_string(range.offset)};
    owned_bytes bytes{range.size};
    std::size_t filled = 0;
    while (filled < bytes.size()) {
      const auto count = ::pread(opened->fd.get(), bytes.span().data() + filled, bytes.size() - filled,
                                 static_cast<off_t>(range.offset + filled));
      if (count < 0 && errno == EINTR)
        continue;
      if (count <= 0)
        return failure{errc::backend_down,
                       count < 0 ? system_failure("read blob " + opened->path, errno).detail
                                 : opened->path + " ended at byte " + std::to_string(range.offset + filled)};
      filled += static_cast<std::size_t>(count);
    }
    return bytes;
  }

  localfs_config config_;
};

} // namespace

std::shared_ptr<blob_backend> make_directory_backend(const localfs_config& config) {
  return std::make_shared<directory_backend>(config);
}

} // namespace nydus
