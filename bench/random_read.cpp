// SPDX-License-Identifier: Apache-2.0
// Random 4 KiB reads past the page cache, each thread one at a time. Usage: random_read FILE THREADS SECONDS.
// Prints {"rate": reads per second, "p50": us, "p99": us}.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <thread>
#include <vector>

#include "protocol/unique_fd.hpp"

namespace {

using steady = std::chrono::steady_clock;
constexpr std::size_t block_size = 4096;

void read_until(steady::time_point end, const char* path, unsigned seed, std::vector<std::uint32_t>& took) {
  const nydus::unique_fd file{::open(path, O_RDONLY | O_DIRECT)};
  struct stat status {};
  if (!file || ::fstat(file.get(), &status) != 0 || status.st_size < static_cast<off_t>(block_size)) {
    std::perror(path);
    std::_Exit(1);
  }
  std::minstd_rand next{seed};
  std::uniform_int_distribution<std::int64_t> block{0, status.st_size / static_cast<off_t>(block_size) - 1};
  alignas(block_size) static thread_local std::byte bytes[block_size];
  for (auto now = steady::now(); now < end;) {
    if (::pread(file.get(), bytes, block_size, block(next) * static_cast<off_t>(block_size)) !=
        static_cast<ssize_t>(block_size)) {
      std::perror("read");
      std::_Exit(1);
    }
    const auto then = steady::now();
    took.push_back(static_cast<std::uint32_t>((then - now).count())); // ns
    now = then;
  }
}

} // namespace

int main(int count, char** words) {
  if (count != 4) {
    std::fprintf(stderr, "usage: random_read FILE THREADS SECONDS\n");
    return 2;
  }
  const auto thread_count = static_cast<std::size_t>(std::max(1, std::atoi(words[2])));
  const auto seconds = std::chrono::duration<double>(std::atof(words[3]));
  std::vector<std::vector<std::uint32_t>> took(thread_count);
  const auto start = steady::now();
  const auto end = start + std::chrono::duration_cast<steady::duration>(seconds);
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < thread_count; ++i) {
      took[i].reserve(4'000'000);
      threads.emplace_back([&, i] { read_until(end, words[1], static_cast<unsigned>(i) + 1, took[i]); });
    }
  }
  const std::chrono::duration<double> ran = steady::now() - start;
  std::vector<std::uint32_t> all;
  for (const auto& one : took)
    all.insert(all.end(), one.begin(), one.end());
  std::sort(all.begin(), all.end());
  std::printf("{\"rate\": %.0f, \"p50\": %.1f, \"p99\": %.1f}\n",
              static_cast<double>(all.size()) / ran.count(), all[all.size() / 2] / 1e3,
              all[all.size() * 99 / 100] / 1e3);
}
