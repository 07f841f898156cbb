// SPDX-License-Identifier: Apache-2.0
#include "storage/directory_backend.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <new>
#include <optional>
#include <system_error>

#include "protocol/unique_fd.hpp"

namespace nydus {

namespace {

class directory_backend final : public blob_backend {
public:
  explicit directory_backend(const localfs_config& config) : config_(config) {}

  void read(const blob_range& range, read_done done) override { done(read_now(range)); }

private:
  struct open_file {
    unique_fd fd;
    std::string path;
    std::uint64_t size = 0;
  };

  result<open_file> open_blob(std::string_view blob_id) const {
    if (blob_id.empty() || blob_id == "." || blob_id == ".." ||
        blob_id.find_first_of(std::string_view{"/\0", 2}) != std::string_view::npos)
      return failure{errc::malformed, "blob id '" + std::string{blob_id} + "' is no file name"};
    if (!config_.blob_file.empty())
      return try_open(config_.blob_file);
    std::string name{"/"};
    name += blob_id;
    auto searched = config_.directory;
    auto opened = try_open(config_.directory + name);
    for (const auto& directory : config_.other_directories) {
      if (opened)
        break;
      auto other = try_open(directory + name);
      searched += ", " + directory;
      // A folder that can't be read may be the one that has it: that is told rather than that others lack it.
      if (other || opened.error().code == errc::not_found)
        opened = std::move(other);
    }
    if (!opened && opened.error().code == errc::not_found)
      return failure{errc::not_found, "blob " + std::string{blob_id} + " is in none of: " + searched};
    return opened;
  }

  static result<open_file> try_open(std::string path) {
    // O_NONBLOCK: no waiting for a writer should a FIFO lie there.
    unique_fd fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
    if (!fd) {
      auto why = system_failure("open blob " + path, errno);
      if (why.code != errc::not_found)
        why.code = errc::backend_down;
      return why;
    }
    struct stat status {};
    if (::fstat(fd.get(), &status) != 0)
      return failure{errc::backend_down, system_failure("stat blob " + path, errno).detail};
    if (!S_ISREG(status.st_mode))
      return failure{errc::backend_down, "blob " + path + " is no regular file"};
    return open_file{std::move(fd), std::move(path), static_cast<std::uint64_t>(status.st_size)};
  }

  result<owned_bytes> read_now(const blob_range& range) const {
    auto opened = open_blob(range.blob_id);
    if (!opened)
      return opened.error();
    const auto failed = [&](const std::string& cause) {
      return failure{errc::backend_down, "read " + std::to_string(range.size) + " bytes from " +
                                             std::to_string(range.offset) + " of blob " + range.blob_id +
                                             " (" + opened->path + "): " + cause};
    };
    // Known before the buffer is made: an image that lies costs no memory.
    if (range.offset > opened->size || range.size > opened->size - range.offset)
      return failed("it has " + std::to_string(opened->size) + " bytes");
    const std::size_t size = range.size;
    std::optional<owned_bytes> bytes;
    try {
      bytes.emplace(size);
    } catch (const std::bad_alloc&) {
      return failed("no memory for that many");
    }
    std::size_t filled = 0;
    while (filled < size) {
      const auto count = ::pread(opened->fd.get(), bytes->span().data() + filled, size - filled,
                                 static_cast<off_t>(range.offset + filled));
      if (count < 0 && errno == EINTR)
        continue;
      if (count < 0)
        return failed(std::generic_category().message(errno));
      if (count == 0)
        return failed("it ended at byte " + std::to_string(range.offset + filled));
      filled += static_cast<std::size_t>(count);
    }
    return std::move(*bytes);
  }

  localfs_config config_;
};

} // namespace

std::shared_ptr<blob_backend> make_directory_backend(const localfs_config& config) {
  return std::make_shared<directory_backend>(config);
}

} // namespace nydus
