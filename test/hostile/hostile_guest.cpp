// SPDX-License-Identifier: Apache-2.0
// Property: whatever a guest writes into its queues and whatever its VMM says, nothing outside the guest's
// memory is touched, the other queues' requests are answered with the right bytes, and the next VMM is
// served. Run it under ASan. `hostile_guest [--count N] [--seed S] [--first K]`: N rings and N messages from
// K on.
#include <CLI/CLI.hpp>
#include <poll.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <random>
#include <string>

#include "test/fakes/fake_guest.hpp"
#include "test/fakes/served_image.hpp"
#include "test/hostile/message_spoiler.hpp"
#include "test/hostile/ring_spoiler.hpp"

namespace nydus::hostile {
namespace {

using fake::fake_guest;

constexpr std::size_t file_size = 200'000;
constexpr std::uint64_t rings_per_session = 500;
constexpr std::uint64_t most_messages_per_vmm = 32;

std::string file_content() {
  std::string content(file_size, '\0');
  for (std::size_t i = 0; i < content.size(); ++i)
    content[i] = static_cast<char>(i * 7 + i / 251);
  return content;
}

std::size_t open_descriptors() {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator{"/proc/self/fd"},
                                                std::filesystem::directory_iterator{}));
}

/// What the runs were like, so that a run that tests nothing is seen.
struct tally {
  std::uint64_t rings = 0, broken = 0, answered = 0, messages = 0, hung_up = 0, sessions = 0;
};

struct no_answer : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// A guest that behaves: its reads have to be right whatever happens beside it.
class good_reader {
public:
  explicit good_reader(fake_guest& guest) : guest_(guest), content_(file_content()) {
    guest_.init();
    node_ = guest_.walk("folder/file").node;
    handle_ = guest_.open(node_);
  }
  void check(dice& chance) {
    const auto offset = chance.below(file_size - 4096);
    const auto answer = guest_.read(node_, handle_, offset, 4096);
    if (answer.error != 0 || answer.body.size() != 4096 ||
        answer.used_length != 4096 + sizeof(fuse_out_header) ||
        std::memcmp(answer.body.data(), content_.data() + offset, 4096) != 0)
      throw no_answer("a well-behaved read has error " + std::to_string(answer.error) + ", " +
                      std::to_string(answer.body.size()) + " bytes");
  }
  std::vector<std::uint64_t> nodes() {
    std::vector<std::uint64_t> found{FUSE_ROOT_ID, node_, guest_.walk("folder").node};
    for (int i = 0; i < 20; ++i)
      found.push_back(guest_.walk("many/" + std::to_string(i)).node);
    return found;
  }

private:
  fake_guest& guest_;
  std::string content_;
  std::uint64_t node_ = 0, handle_ = 0;
};

/// One VMM, one well-behaved queue and two that are not: the urgent one and a second one for requests.
class ring_session {
public:
  ring_session(const std::string& socket, dice& chance)
      : guest_(socket, options(chance)), reader_(guest_), canary_(guest_.memory().allocate(canary_size)),
        ground_start_(guest_.memory().allocate(4096)) {
    fill_canary();
    for (const unsigned index : {0u, 2u})
      hostile_.push_back(std::make_unique<fake::driver_queue>(guest_.memory(), index, std::uint16_t{128},
                                                              fake::queue_features{event_idx_, indirect_}));
    const auto buffers = guest_.memory().allocate(1 << 20);
    const auto& regions = guest_.memory().regions();
    spoiler_ = std::make_unique<ring_spoiler>(
        guest_.memory(), playground{.low_end = regions[0].size(),
                                    .forbidden_start = regions[1].start(),
                                    .start = ground_start_,
                                    .buffers = buffers,
                                    .size = regions[1].start() + regions[1].size() - ground_start_,
                                    .nodes = reader_.nodes()});
    guest_.vmm().stop_queue(0);
    for (auto& queue : hostile_) {
      guest_.vmm().set_events(*queue);
      guest_.vmm().enable_queue(queue->index(), true);
    }
  }

  void play(dice& chance, tally& seen) {
    auto& queue = *hostile_[chance.one_in(4) ? 0 : 1];
    queue.reset();
    spoiler_->fill(queue, chance);
    guest_.vmm().start_queue(guest_.memory(), queue, 0);
    queue.kick_anyway();
    if (chance.one_in(4))
      spoiler_->disturb(queue, chance);
    reader_.check(chance);
    wait_for_effect(queue);
    guest_.vmm().stop_queue(queue.index());
    ++seen.rings;
    seen.broken += queue.take_error() ? 1 : 0;
    seen.answered += queue.used_index() != 0 ? 1 : 0;
    (void) queue.take_calls();
  }

  void check_memory() const {
    if (!guest_memory().guards_intact())
      throw no_answer("bytes beside the guest's memory were written");
    const auto* bytes = guest_memory().at(canary_, canary_size);
    if (std::any_of(bytes, bytes + canary_size, [](std::byte each) { return each != std::byte{0x5c}; }))
      throw no_answer("memory was written that no request names");
  }

private:
  static constexpr std::size_t canary_size = 65536;

  fake::guest_options options(dice& chance) {
    event_idx_ = chance.one_in(2);
    indirect_ = !chance.one_in(3);
    fake::guest_options wanted;
    wanted.memory_size = 4 << 20;
    wanted.queue_size = 128;
    wanted.features = {event_idx_, indirect_};
    wanted.vmm.memory_slots = chance.one_in(2);
    return wanted;
  }
  const fake::guest_memory& guest_memory() const { return const_cast<fake_guest&>(guest_).memory(); }
  void fill_canary() { std::memset(guest_.memory().at(canary_, canary_size), 0x5c, canary_size); }
  // Until something is answered or the queue is broken; a millisecond at most, since there may be nothing to
  // do.
  static void wait_for_effect(const fake::driver_queue& queue) {
    pollfd either[2] = {{.fd = queue.call_descriptor(), .events = POLLIN, .revents = 0},
                        {.fd = queue.error_descriptor(), .events = POLLIN, .revents = 0}};
    ::poll(either, 2, 1);
  }

  bool event_idx_ = true, indirect_ = true;
  fake_guest guest_;
  good_reader reader_;
  fake::guest_address canary_, ground_start_;
  std::vector<std::unique_ptr<fake::driver_queue>> hostile_;
  std::unique_ptr<ring_spoiler> spoiler_;
};

/// One VMM that talks nonsense, at some point of a conversation that began well.
void talk_nonsense(const std::string& socket, message_spoiler& spoiler, dice& chance, tally& seen) {
  fake::guest_options small;
  small.memory_size = 1 << 20;
  small.queue_size = 16;
  small.inflight = chance.one_in(4);
  std::unique_ptr<fake_guest> started;
  std::unique_ptr<fake::fake_vmm> bare;
  const fake::guest_memory memory{1 << 20};
  if (chance.one_in(2))
    started = std::make_unique<fake_guest>(socket, small);
  else
    bare = std::make_unique<fake::fake_vmm>(socket);
  fake::fake_vmm& vmm = started ? started->vmm() : *bare;
  const unsigned most_unanswered = small.queue_size / 4;
  unsigned unanswered = 0;
  for (std::uint64_t left = 1 + chance.below(most_messages_per_vmm); left > 0; --left) {
    const auto message = spoiler.next(started ? started->memory() : memory, chance);
    ++seen.messages;
    if (!vmm.send_bytes(message.bytes, message.descriptors)) {
      ++seen.hung_up;
      break;
    }
    if (started && unanswered < most_unanswered && chance.one_in(4)) {
      ++unanswered; // nobody takes the answers, so the queue must not fill up
      const fuse_getattr_in arguments{};
      (void) started->requests().submit({.opcode = FUSE_GETATTR,
                                         .arguments = fake::bytes_of(arguments),
                                         .body_size = sizeof(fuse_attr_out)});
      started->requests().queue().kick_anyway();
    }
  }
  vmm.hang_up();
  if (started && !started->memory().guards_intact())
    throw no_answer("bytes beside the guest's memory were written");
}

struct run_options {
  std::uint64_t count = 2000, seed = std::random_device{}(), first = 0;
};

tally run(const std::string& socket, const run_options& options) {
  tally seen;
  std::unique_ptr<ring_session> session;
  for (std::uint64_t round = options.first; round < options.first + options.count; ++round) {
    dice chance{options.seed, round};
    if (!session || round % rings_per_session == 0) {
      session.reset();
      session = std::make_unique<ring_session>(socket, chance);
      ++seen.sessions;
    }
    try {
      session->play(chance, seen);
      if (round % 64 == 0)
        session->check_memory();
    } catch (const std::exception& why) {
      throw no_answer("ring " + std::to_string(round) + ": " + why.what());
    }
  }
  if (session)
    session->check_memory();
  session.reset();

  message_spoiler spoiler;
  for (std::uint64_t vmm = options.first; seen.messages < options.count; ++vmm) {
    dice chance{~options.seed, vmm};
    try {
      talk_nonsense(socket, spoiler, chance, seen);
      if (vmm % 16 == 0) {
        fake_guest good{socket, {.memory_size = 1 << 20, .queue_size = 64}};
        good_reader{good}.check(chance);
      }
    } catch (const std::exception& why) {
      throw no_answer("VMM " + std::to_string(vmm) + ": " + why.what());
    }
  }
  return seen;
}

} // namespace
} // namespace nydus::hostile

int main(int count, char** words) {
  using namespace nydus;
  hostile::run_options options;
  CLI::App line{"Plays corrupted virtqueues and vhost-user messages against the daemon, in this process."};
  line.add_option("--count", options.count, "rings, and as many messages");
  line.add_option("--seed", options.seed, "the same seed plays the same rounds");
  line.add_option("--first", options.first, "ring, and VMM, to begin with");
  CLI11_PARSE(line, count, words);
  std::printf("hostile_guest --seed %llu --first %llu --count %llu\n",
              static_cast<unsigned long long>(options.seed), static_cast<unsigned long long>(options.first),
              static_cast<unsigned long long>(options.count));
  std::fflush(stdout);
  try {
    tiny_image image;
    image.entries.push_back({.path = "/folder/file", .content = hostile::file_content()});
    for (int i = 0; i < 20; ++i)
      image.entries.push_back({.path = "/many/" + std::to_string(i), .content = std::to_string(i)});
    const served_image served{image};
    const std::string socket = served.vhost_socket();
    const auto before = hostile::open_descriptors();
    const auto seen = hostile::run(socket, options);
    std::printf("%llu rings: %llu broken, %llu with answers; %llu messages, %llu hung up on\n",
                static_cast<unsigned long long>(seen.rings), static_cast<unsigned long long>(seen.broken),
                static_cast<unsigned long long>(seen.answered),
                static_cast<unsigned long long>(seen.messages),
                static_cast<unsigned long long>(seen.hung_up));
    for (int wait = 0; wait < 500 && hostile::open_descriptors() > before; ++wait)
      ::poll(nullptr, 0, 10);
    if (hostile::open_descriptors() > before)
      throw hostile::no_answer(std::to_string(hostile::open_descriptors() - before) +
                               " descriptors were left open");
  } catch (const std::exception& why) {
    std::fprintf(stderr, "hostile_guest: %s\n", why.what());
    return 1;
  }
  return 0;
}
