// SPDX-License-Identifier: Apache-2.0
// Lists a tree and stats everything in it, with one thread. Usage: tree_walk DIRECTORY.
// Prints {"entries": count, "seconds": time}.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace {

/// Stats what is in `directory`; the folders in it are left in `waiting`.
std::uint64_t stat_entries(const std::string& directory, std::vector<std::string>& waiting) {
  auto* stream = ::opendir(directory.c_str());
  if (stream == nullptr) {
    std::perror(directory.c_str());
    std::_Exit(1);
  }
  std::uint64_t entries = 0;
  while (const auto* entry = ::readdir(stream)) {
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..")
      continue;
    struct stat status {};
    if (::fstatat(::dirfd(stream), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0) {
      std::perror(entry->d_name);
      std::_Exit(1);
    }
    ++entries;
    if (S_ISDIR(status.st_mode))
      waiting.push_back(directory + "/" + entry->d_name);
  }
  ::closedir(stream);
  return entries;
}

} // namespace

int main(int count, char** words) {
  if (count != 2) {
    std::fprintf(stderr, "usage: tree_walk DIRECTORY\n");
    return 2;
  }
  const auto start = std::chrono::steady_clock::now();
  std::vector<std::string> waiting{words[1]};
  std::uint64_t entries = 0;
  while (!waiting.empty()) {
    const auto directory = std::move(waiting.back());
    waiting.pop_back();
    entries += stat_entries(directory, waiting);
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  std::printf("{\"entries\": %llu, \"seconds\": %.6f}\n", static_cast<unsigned long long>(entries),
              took.count());
}
