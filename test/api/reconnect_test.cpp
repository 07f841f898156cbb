// SPDX-License-Identifier: Apache-2.0
// The daemon's process is killed while a guest reads; the next one answers what the first one owed.
#include <doctest/doctest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "test/fakes/fake_guest.hpp"
#include "test/fakes/tiny_image.hpp"

using namespace nydus;

TEST_SUITE_BEGIN("api/reconnect");

namespace {

constexpr std::size_t file_size = 1 << 20;
constexpr int kills = 20;
constexpr std::size_t depth = 48;

std::string file_content() {
  std::string content(file_size, '\0');
  for (std::size_t i = 0; i < content.size(); ++i)
    content[i] = static_cast<char>(i * 7 + i / 251);
  return content;
}

/// nydusd in a process of its own.
class daemon_process {
public:
  explicit daemon_process(std::vector<std::string> words) {
    std::vector<char*> line;
    for (auto& word : words)
      line.push_back(word.data());
    line.push_back(nullptr);
    REQUIRE(::posix_spawn(&process_, words.front().c_str(), nullptr, nullptr, line.data(), environ) == 0);
  }
  ~daemon_process() {
    ::kill(process_, SIGKILL);
    ::waitpid(process_, nullptr, 0);
  }
  daemon_process(const daemon_process&) = delete;
  daemon_process& operator=(const daemon_process&) = delete;

private:
  pid_t process_ = -1;
};

/// How many requests the killed daemon had taken: descriptors of 16 bytes behind a head of 16, flag first.
std::size_t left_in_book(const fake::fake_guest& guest) {
  const auto& shape = guest.inflight().shape;
  std::vector<unsigned char> book(shape.size);
  REQUIRE(::pread(guest.inflight().file.get(), book.data(), book.size(), static_cast<off_t>(shape.offset)) ==
          static_cast<ssize_t>(book.size()));
  std::size_t found = 0;
  for (std::size_t head = 0; head < shape.queue_size; ++head)
    found += book[shape.size / shape.queue_count + 16 + 16 * head];
  return found;
}

} // namespace

TEST_CASE("after kill -9 under load every outstanding read is answered once, with the right bytes") {
  const char* nydusd = std::getenv("NYDUSD");
  if (nydusd == nullptr) {
    MESSAGE("skipped: NYDUSD names no daemon");
    return;
  }
  const temporary_directory place;
  tiny_image image;
  const auto content = file_content();
  image.entries.push_back({.path = "/file", .content = content});
  const auto files = write_tiny_image(image, place.path() + "/image");
  const auto socket = place.path() + "/vhost.sock";
  const std::vector<std::string> line{nydusd,        "virtiofs",      "--sock",          socket,
                                      "--bootstrap", files.bootstrap, "--localfs-dir",   files.blob_directory,
                                      "--log-level", "error",         "--rlimit-nofile", "0"};
  auto served = std::make_unique<daemon_process>(line);

  fake::guest_options options;
  options.memory_size = 8 << 20;
  options.queue_size = 256;
  options.inflight = true;
  fake::fake_guest guest{socket, options};
  guest.init();
  const auto node = guest.walk("file").node;
  const auto handle = guest.open(node);
  auto& channel = guest.requests();

  std::mt19937 chance{1};
  std::vector<std::uint64_t> offsets; // by ticket
  std::size_t answered = 0, under_way = 0, left_taken = 0;
  auto submit = [&] {
    const std::uint64_t offset = chance() % (file_size - 4096);
    const auto arguments = fake::read_arguments(handle, offset, 4096);
    const auto which = channel.submit(
        {.opcode = FUSE_READ, .node = node, .arguments = fake::bytes_of(arguments), .body_size = 4096});
    offsets.resize(std::max<std::size_t>(offsets.size(), which + 1));
    offsets[which] = offset;
    ++under_way;
  };
  auto take_one = [&](const fake::fuse_view& answer) {
    REQUIRE(answer.error == 0);
    REQUIRE(answer.body.size() == 4096);
    REQUIRE(std::memcmp(answer.body.data(), content.data() + offsets[answer.which], 4096) == 0);
    channel.release(answer.which);
    ++answered;
    --under_way;
  };
  for (int kill = 0; kill < kills; ++kill) {
    const auto until = answered + 200 + chance() % 2000;
    while (answered < until) {
      while (under_way < depth)
        submit();
      channel.kick();
      channel.wait_for_any();
      while (auto answer = channel.next())
        take_one(*answer);
    }
    while (under_way < depth)
      submit();
    channel.kick();
    const auto moment = std::chrono::steady_clock::now() + std::chrono::microseconds{chance() % 150};
    while (std::chrono::steady_clock::now() < moment) {
    }
    served.reset(); // in the midst of those
    left_taken += left_in_book(guest);
    served = std::make_unique<daemon_process>(line);
    guest.reconnect();
    while (under_way > 0) { // a read that is lost fails here, one that is answered twice throws
      channel.wait_for_any();
      while (auto answer = channel.next())
        take_one(*answer);
    }
  }
  MESSAGE(left_taken << " reads had been taken and not answered when the daemon was killed");
  CHECK(guest.getattr(node).error == 0);
  CHECK(guest.memory().guards_intact());
}

TEST_SUITE_END();
