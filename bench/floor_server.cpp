// SPDX-License-Identifier: Apache-2.0
// The least a FUSE server can do: one file, answered from memory, by one pinned thread per CPU that waits as
// a reactor does (a clone of the descriptor each, level-triggered epoll). What nydusd adds to this is its own
// work. Usage: floor_server MOUNTPOINT BYTES; ends when unmounted. The file is MOUNTPOINT/file.
#include <pthread.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string_view>
#include <thread>
#include <vector>

#include "protocol/fuse/abi.hpp"
#include "protocol/fuse/device.hpp"

using namespace nydus;

namespace {

constexpr std::uint64_t file_node = 2;
constexpr std::uint64_t forever = 1u << 30; // seconds

fuse_attr attributes_of(std::uint64_t node, std::uint64_t file_size) {
  fuse_attr attributes{};
  attributes.ino = node;
  attributes.mode = node == file_node ? S_IFREG | 0444u : S_IFDIR | 0755u;
  attributes.nlink = 1;
  attributes.size = node == file_node ? file_size : 0;
  return attributes;
}

class server_thread {
public:
  server_thread(unique_fd fd, std::span<const std::byte> contents)
      : fd_(std::move(fd)), contents_(contents), request_(fuse::request_buffer_size) {}

  void run(int cpu) {
    cpu_set_t only;
    CPU_ZERO(&only);
    CPU_SET(static_cast<std::size_t>(cpu), &only);
    ::pthread_setaffinity_np(::pthread_self(), sizeof only, &only);
    const unique_fd epoll{::epoll_create1(EPOLL_CLOEXEC)};
    epoll_event wanted{};
    wanted.events = EPOLLIN;
    ::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd_.get(), &wanted);
    while (true) {
      epoll_event ready;
      if (::epoll_wait(epoll.get(), &ready, 1, -1) <= 0)
        continue;
      ssize_t size;
      while ((size = ::read(fd_.get(), request_.data(), request_.size())) > 0)
        serve();
      if (errno == ENODEV)
        return;
    }
  }

private:
  void serve() {
    fuse_in_header header;
    std::memcpy(&header, request_.data(), sizeof header);
    const auto* body = request_.data() + sizeof header;
    switch (header.opcode) {
    case FUSE_LOOKUP: {
      fuse_entry_out out{};
      if (std::string_view{reinterpret_cast<const char*>(body)} != "file")
        return answer(header, ENOENT, {});
      out.nodeid = file_node;
      out.entry_valid = out.attr_valid = forever;
      out.attr = attributes_of(file_node, contents_.size());
      return answer(header, 0, std::as_bytes(std::span{&out, 1}));
    }
    case FUSE_GETATTR: {
      fuse_attr_out out{};
      out.attr_valid = forever;
      out.attr = attributes_of(header.nodeid, contents_.size());
      return answer(header, 0, std::as_bytes(std::span{&out, 1}));
    }
    case FUSE_READ: {
      fuse_read_in asked;
      std::memcpy(&asked, body, sizeof asked);
      const auto offset = std::min<std::uint64_t>(asked.offset, contents_.size());
      return answer(
          header, 0,
          contents_.subspan(offset, std::min<std::uint64_t>(asked.size, contents_.size() - offset)));
    }
    case FUSE_FORGET:
    case FUSE_BATCH_FORGET:
    case FUSE_INTERRUPT:
      return;
    default:
      return answer(header, ENOSYS, {});
    }
  }

  void answer(const fuse_in_header& asked, int error, std::span<const std::byte> body) {
    fuse_out_header header{};
    header.len = static_cast<std::uint32_t>(sizeof header + body.size());
    header.error = -error;
    header.unique = asked.unique;
    const std::array<iovec, 2> parts{
        {{&header, sizeof header}, {const_cast<std::byte*>(body.data()), body.size()}}};
    (void) !::writev(fd_.get(), parts.data(), body.empty() ? 1 : 2);
  }

  unique_fd fd_;
  std::span<const std::byte> contents_;
  std::vector<std::byte> request_;
};

} // namespace

int main(int count, char** words) {
  if (count != 3) {
    std::fprintf(stderr, "usage: floor_server MOUNTPOINT BYTES\n");
    return 2;
  }
  const auto size = static_cast<std::size_t>(std::strtoull(words[2], nullptr, 10));
  auto* memory =
      ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (memory == MAP_FAILED) {
    std::perror("floor_server: memory");
    return 1;
  }
  std::memset(memory, 7, size);
  auto session = fuse::device::mount({words[1], true, "floor"});
  if (!session) {
    std::fprintf(stderr, "floor_server: %s\n", session.error().detail.c_str());
    return 1;
  }
  std::vector<std::jthread> threads;
  for (int cpu = 0; cpu < static_cast<int>(std::thread::hardware_concurrency()); ++cpu) {
    auto clone = session->clone();
    if (!clone) {
      std::fprintf(stderr, "floor_server: %s\n", clone.error().detail.c_str());
      session->unmount();
      std::_Exit(1);
    }
    threads.emplace_back([server = server_thread{std::move(*clone), {static_cast<std::byte*>(memory), size}},
                          cpu]() mutable { server.run(cpu); });
  }
  return 0; // joins the threads, which end with the session
}
