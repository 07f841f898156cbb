// SPDX-License-Identifier: Apache-2.0
#include "actors/virtqueue_port.hpp"

#include <caf/mailbox_element.hpp>
#include <doctest/doctest.h>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cerrno>
#include <filesystem>
#include <string>

#include "actors/daemon.hpp"
#include "actors/fs_request.hpp"
#include "test/fakes/failing_allocation.hpp"
#include "test/fakes/fake_guest.hpp"
#include "test/fakes/scratch_folder.hpp"
#include "test/fakes/tiny_image.hpp"

using namespace nydus;
using namespace nydus::fake;

TEST_SUITE_BEGIN("actors/virtqueue_port");

namespace {

std::string text_of(const fuse_answer& answer) {
  return {reinterpret_cast<const char*>(answer.body.data()), answer.body.size()};
}

/// A daemon that serves virtio-fs on a socket of its own, and images to mount in it.
struct served {
  served() { begin(); }

  void begin() {
    auto started = nydus::daemon::start({2});
    REQUIRE(started);
    running = std::move(*started);
    REQUIRE(running->serve_virtiofs(socket));
  }

  void mount(const std::string& mountpoint, const std::string& content) {
    const auto folder = files.path() + "/image" + std::to_string(++images);
    const auto image =
        write_tiny_image({.entries = {{.path = "/etc/text", .content = content},
                                      {.path = "/link", .mode = 0120777, .content = "etc/text"}}},
                         folder);
    mount_settings settings;
    settings.backend.kind = "localfs";
    settings.backend.localfs.directory = image.blob_directory;
    settings.cache.kind = cache_config::placement::files;
    settings.cache.work_directory = files.path() + "/cache";
    std::filesystem::create_directories(settings.cache.work_directory);
    newest = {mountpoint, image.bootstrap, std::make_shared<const mount_settings>(std::move(settings)), {}};
    mount_again(mountpoint);
  }

  /// Mounts the image of the last mount() at another place, too.
  void mount_again(const std::string& mountpoint) {
    newest.mountpoint = mountpoint;
    const auto mounted = running->mount(newest);
    REQUIRE_MESSAGE(mounted, mounted.error().detail);
  }

  scratch_folder files;
  std::string socket = files.path() + "/vhost.sock";
  std::unique_ptr<nydus::daemon> running;
  mount_image newest;
  int images = 0;
};

guest_options options_of(unsigned request_queues = 1, queue_features features = {}) {
  guest_options options;
  options.memory_size = 16 << 20;
  options.request_queues = request_queues;
  options.queue_size = 128;
  options.features = features;
  return options;
}

} // namespace

TEST_CASE_FIXTURE(served, "a guest reads an image's files, whatever its queues can do") {
  mount("/", std::string(9000, 'x') + "end");
  queue_features features;
  SUBCASE("event indices and indirect tables") {}
  SUBCASE("neither") {
    features = {false, false};
  }
  SUBCASE("event indices alone") {
    features = {true, false};
  }
  fake_guest guest{socket, options_of(1, features)};
  CHECK(guest.init().minor >= 31);
  const auto file = guest.walk("/etc/text");
  CHECK(file.attributes.size == 9003);
  const auto whole = guest.read(file.node, guest.open(file.node), 0, 16384);
  CHECK(whole.error == 0);
  CHECK(text_of(whole) == std::string(9000, 'x') + "end");
  CHECK(whole.used_length == sizeof(fuse_out_header) + 9003);
  CHECK(text_of(guest.read(file.node, 0, 8998, 4096)) == "xxend");
  CHECK(guest.read(file.node, 0, 9003, 4096).body.empty());
  CHECK(guest.list(FUSE_ROOT_ID).size() == 4);
  CHECK(text_of(guest.readlink(guest.walk("/link").node)) == "etc/text");
}

TEST_CASE_FIXTURE(served, "what has no answer comes back with no length, on the urgent queue") {
  mount("/", "text");
  fake_guest guest{socket, options_of()};
  guest.init();
  CHECK(guest.forget(guest.walk("/etc").node, 1) == 0);
  const fuse_forget_one nodes[]{{1, 1}, {2, 1}};
  CHECK(guest.batch_forget(nodes) == 0);
}

TEST_CASE_FIXTURE(served, "a change is refused and an error is an answer with its header's length") {
  mount("/", "text");
  fake_guest guest{socket, options_of()};
  guest.init();
  const auto missing = guest.getattr(std::uint64_t{77} << 44 | 1);
  CHECK(missing.error == ENOENT);
  CHECK(missing.used_length == sizeof(fuse_out_header));
}

TEST_CASE_FIXTURE(served, "a mount and an unmount show at once, and what is within an image stays") {
  mount("/one", "first");
  fake_guest guest{socket, options_of(2)};
  guest.init();
  const auto entry = guest.lookup(FUSE_ROOT_ID, "one").as<fuse_entry_out>();
  CHECK(entry.entry_valid == 0); // nobody could tell the guest that it is gone
  CHECK(entry.attr_valid > 1000000);
  const auto within = guest.lookup(entry.nodeid, "etc").as<fuse_entry_out>();
  CHECK(within.entry_valid > 1000000);
  CHECK(within.attr_valid > 1000000);
  const auto before = guest.getattr(FUSE_ROOT_ID).as<fuse_attr_out>();
  CHECK(before.attr_valid == 0);
  mount("/two", "second");
  const auto after = guest.getattr(FUSE_ROOT_ID).as<fuse_attr_out>();
  const auto time_of = [](const fuse_attr& attr) { return attr.mtime * 1000000000 + attr.mtimensec; };
  CHECK(time_of(after.attr) > time_of(before.attr)); // so that it reads the listing again
  CHECK(guest.list(FUSE_ROOT_ID).size() == 4);
  CHECK(text_of(guest.read(guest.walk("/two/etc/text").node, 0, 0, 100)) == "second");
  CHECK(text_of(guest.read(guest.walk("/one/etc/text").node, 0, 0, 100)) == "first");
}

TEST_CASE_FIXTURE(served, "a guest reads a thousand images, and one of them at five thousand places") {
  constexpr int images_mounted = 1000;
  constexpr int places = 5000;
  rlimit files_open{};
  ::getrlimit(RLIMIT_NOFILE, &files_open);
  files_open.rlim_cur = files_open.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files_open);
  if (files_open.rlim_max < 2 * images_mounted) {
    MESSAGE("skipped: the process may open " << files_open.rlim_max << " files at most");
    return;
  }
  fake_guest guest{socket, options_of()};
  guest.init();
  for (int i = 0; i < images_mounted; ++i)
    mount("/many/" + std::to_string(i), "image " + std::to_string(i));
  for (int i = 0; i < places; ++i) // the last image
    mount_again("/same/" + std::to_string(i));
  CHECK(guest.list(guest.walk("/many").node).size() == images_mounted + 2);
  CHECK(guest.list(guest.walk("/same").node).size() == places + 2);
  const auto content = [&](const std::string& mountpoint) {
    return text_of(guest.read(guest.walk(mountpoint + "/etc/text").node, 0, 0, 100));
  };
  int right = 0;
  for (int i = 0; i < images_mounted; ++i)
    right += content("/many/" + std::to_string(i)) == "image " + std::to_string(i);
  CHECK(right == images_mounted);
  right = 0;
  for (int i = 0; i < places; ++i)
    right += content("/same/" + std::to_string(i)) == "image " + std::to_string(images_mounted - 1);
  CHECK(right == places);
}

TEST_CASE_FIXTURE(served,
                  "a request for which the port has no memory is answered EIO, and the next ones go on") {
  if (!failing_allocation::is_possible) {
    MESSAGE("skipped: the sanitizer has the allocator");
    return;
  }
  mount("/", "text");
  fake_guest guest{socket, options_of()};
  guest.init();
  const auto file = guest.walk("/etc/text").node;
  CHECK(guest.getattr(file).error == 0);
  {
    const failing_allocation shortage{sizeof(caf::mailbox_element_vals<fs_request>)}; // the one to the router
    CHECK(guest.getattr(file).error == EIO);
    CHECK(shortage.has_come());
  }
  CHECK(guest.getattr(file).error == 0);
  CHECK(text_of(guest.read(file, 0, 0, 100)) == "text");
}

TEST_CASE_FIXTURE(served, "a guest may begin again, on the same connection and on another") {
  mount("/", "text");
  auto guest = std::make_unique<fake_guest>(socket, options_of(2));
  guest->init();
  for (int round = 0; round < 3; ++round) {
    CHECK(text_of(guest->read(guest->walk("/etc/text").node, 0, 0, 100)) == "text");
    guest->reboot();
    guest->init();
  }
  guest.reset();
  guest = std::make_unique<fake_guest>(socket, options_of(1, {false, false}));
  guest->init();
  CHECK(text_of(guest->read(guest->walk("/etc/text").node, 0, 0, 100)) == "text");
}

TEST_CASE_FIXTURE(served, "requests of several queues are answered on each") {
  mount("/", "text");
  fake_guest guest{socket, options_of(3)};
  guest.init();
  const auto node = guest.walk("/etc/text").node;
  const auto arguments = read_arguments(0, 0, 100);
  for (int round = 0; round < 100; ++round) {
    std::vector<ticket> tickets;
    for (unsigned queue = 0; queue < 3; ++queue)
      for (int i = 0; i < 16; ++i)
        tickets.push_back(guest.requests(queue).submit({FUSE_READ, node, bytes_of(arguments), 100}));
    for (unsigned queue = 0; queue < 3; ++queue) {
      guest.requests(queue).kick();
      for (int i = 0; i < 16; ++i)
        CHECK(text_of(guest.requests(queue).wait(tickets[queue * 16 + static_cast<unsigned>(i)])) == "text");
    }
  }
}

TEST_CASE_FIXTURE(served, "memory may come and go while queues run") {
  mount("/", "text");
  fake_guest guest{socket, options_of()};
  guest.init();
  auto& region = guest.memory().add_region(std::uint64_t{1} << 32, 1 << 20);
  guest.vmm().add_region(region);
  CHECK(text_of(guest.read(guest.walk("/etc/text").node, 0, 0, 100)) == "text");
  guest.vmm().remove_region({region.start(), region.size(), region.user_address(), region.file_offset()});
  CHECK(text_of(guest.read(guest.walk("/etc/text").node, 0, 0, 100)) == "text");
}

TEST_CASE_FIXTURE(
    served, "what a daemon leaves unanswered is answered once by the next one, if the VMM keeps the log") {
  mount("/", "text");
  auto options = options_of(2);
  options.inflight = true;
  options.vmm.protocol_features |= protocol_inflight_shmfd;
  fake_guest guest{socket, options};
  guest.init();
  const auto node = guest.walk("/etc/text").node;
  const auto arguments = read_arguments(0, 0, 100);
  for (int round = 0; round < 5; ++round) {
    std::vector<ticket> tickets;
    for (unsigned queue = 0; queue < 2; ++queue) {
      for (int i = 0; i < 40; ++i)
        tickets.push_back(guest.requests(queue).submit({FUSE_READ, node, bytes_of(arguments), 100}));
      guest.requests(queue).kick();
    }
    running->stop();
    running.reset();
    begin();
    images = 0; // the same image again
    mount("/", "text");
    guest.reconnect();
    for (std::size_t i = 0; i < tickets.size(); ++i)
      CHECK(text_of(guest.requests(i < 40 ? 0 : 1).wait(tickets[i])) == "text");
    CHECK(guest.queue(1).outstanding() == 0);
    CHECK(guest.queue(2).outstanding() == 0);
  }
}

TEST_CASE_FIXTURE(served, "a broken queue ends alone: the VMM is told, other queues and VMMs go on") {
  mount("/", "text");
  {
    fake_guest guest{socket, options_of(2)};
    guest.init();
    auto& queue = guest.queue(2);
    queue.set_available_index(static_cast<std::uint16_t>(queue.available_index() + 129));
    queue.kick_anyway();
    CHECK(text_of(guest.read(guest.walk("/etc/text").node, 0, 0, 100)) == "text");
    bool is_told = false;
    for (int i = 0; i < 1000 && !is_told; ++i) {
      is_told = queue.take_error();
      ::usleep(1000);
    }
    CHECK(is_told);
    CHECK(guest.memory().guards_intact());
  }
  fake_guest next{socket, options_of()};
  next.init();
  CHECK(text_of(next.read(next.walk("/etc/text").node, 0, 0, 100)) == "text");
}

TEST_CASE_FIXTURE(served, "memory that the VMM cuts short ends nothing but its own queue") {
  mount("/", "text");
  {
    fake_guest guest{socket, options_of()};
    guest.init();
    CHECK(text_of(guest.read(guest.walk("/etc/text").node, 0, 0, 100)) == "text");
    const_cast<memory_region&>(guest.memory().regions().back()).truncate(0);
    const std::uint64_t one = 1;
    CHECK(::write(guest.queue(1).kick_descriptor(), &one, sizeof one) == sizeof one);
    ::usleep(20000);
  }
  fake_guest next{socket, options_of()};
  next.init();
  CHECK(text_of(next.read(next.walk("/etc/text").node, 0, 0, 100)) == "text");
}
