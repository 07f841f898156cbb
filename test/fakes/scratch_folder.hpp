// SPDX-License-Identifier: Apache-2.0
// A folder of a test's own, and a check that the test leaves no descriptor open.
#pragma once

#include <doctest/doctest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

namespace nydus {

/// Made empty, removed with all that it holds.
class scratch_folder {
public:
  scratch_folder() {
    std::string name = (std::filesystem::temp_directory_path() / "nydus-test-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~scratch_folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  scratch_folder(const scratch_folder&) = delete;
  scratch_folder& operator=(const scratch_folder&) = delete;

  const std::string& path() const noexcept { return path_; }
  std::string operator/(std::string_view name) const { return path_ + "/" + std::string{name}; }

private:
  std::string path_;
};

inline void write_file(const std::string& path, std::string_view contents) {
  std::ofstream file{path, std::ios::binary | std::ios::trunc};
  file.write(contents.data(), static_cast<std::streamsize>(contents.size()));
  REQUIRE(file.good());
}

inline std::string read_file(const std::string& path) {
  std::ifstream file{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, {}};
}

/// CHECKs at its end that as many descriptors are open as at its start.
class no_fd_leak {
public:
  ~no_fd_leak() { CHECK(open_count() == before_); }

private:
  static std::ptrdiff_t open_count() {
    return std::distance(std::filesystem::directory_iterator{"/proc/self/fd"},
                         std::filesystem::directory_iterator{});
  }
  std::ptrdiff_t before_ = open_count();
};

} // namespace nydus
