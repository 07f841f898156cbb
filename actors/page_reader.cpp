// SPDX-License-Identifier: Apache-2.0
#include "actors/page_reader.hpp"

#include <caf/send.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "actors/log_line.hpp"
#include "actors/message_types.hpp"
#include "actors/threaded_actor.hpp"

namespace nydus {

struct read_pages {
  caf::actor port;
  fs_reply reply;
};

} // namespace nydus

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(nydus::read_pages)

namespace nydus {

namespace {

result<owned_bytes> gather(std::span<const extent> extents) {
  std::size_t total = 0;
  for (const auto& one : extents)
    total += one.size;
  owned_bytes bytes{total};
  auto rest = bytes.span();
  for (const auto& one : extents) {
    const auto part = rest.first(one.size);
    rest = rest.subspan(one.size);
    if (one.buffer)
      std::memcpy(part.data(), one.buffer->span().data() + one.offset, part.size());
    else if (!one.file)
      std::memset(part.data(), 0, part.size());
    else if (auto read = one.file->read(one.offset, part); !read)
      return read.error();
  }
  return bytes;
}

/// Reads of one disk that a port has under way at once.
constexpr std::size_t readers_per_disk = 4;

void fail(fs_reply& reply) {
  reply.error = EIO;
  reply.body = std::monostate{};
}

class page_reader : public threaded_actor {
public:
  page_reader(caf::actor_config& config, const std::string& port_name,
              std::shared_ptr<std::atomic<std::uint32_t>> under_way)
      : threaded_actor(config, "page_reader", port_name), under_way_(std::move(under_way)) {}

  caf::behavior make_behavior() override {
    return {[this](read_pages& wanted) {
      auto& reply = wanted.reply;
      auto bytes = gather(reply.extents());
      if (!bytes) {
        log_line(log_level::error, bytes.error().detail);
        fail(reply);
      } else {
        const auto size = static_cast<std::uint32_t>(bytes->size());
        reply.body = extent{nullptr, std::make_shared<const owned_bytes>(std::move(*bytes)), 0, size};
      }
      answer(wanted.port, std::move(reply));
    }};
  }

private:
  void start_anew(const caf::type_erased_tuple& lost) noexcept override {
    const auto* wanted = as<read_pages>(lost);
    if (wanted == nullptr)
      return;
    fs_reply reply{wanted->reply.slot, 0, wanted->reply.times, {}};
    fail(reply);
    answer(wanted->port, std::move(reply));
  }

  void answer(const caf::actor& port, fs_reply reply) {
    under_way_->fetch_sub(1, std::memory_order_relaxed);
    send(port, std::move(reply));
  }

  std::shared_ptr<std::atomic<std::uint32_t>> under_way_;
};

/// The disk of the first cache file among them.
std::uint64_t disk_of(std::span<const extent> extents) noexcept {
  for (const auto& one : extents)
    if (one.file)
      return one.file->disk();
  return 0;
}

} // namespace

page_readers::page_readers(caf::actor_system& system, std::string port_name)
    : system_(system), port_name_(std::move(port_name)) {}

page_readers::reader* page_readers::least_busy(std::uint64_t disk) {
  auto& all = readers_[disk];
  const auto reads_of = [](const reader& one) { return one.under_way->load(std::memory_order_relaxed); };
  const auto found = std::min_element(all.begin(), all.end(), [&](const reader& one, const reader& other) {
    return reads_of(one) < reads_of(other);
  });
  if (found != all.end() && (reads_of(*found) == 0 || all.size() == readers_per_disk))
    return &*found;
  auto under_way = std::make_shared<std::atomic<std::uint32_t>>(0);
  auto added = spawn_threaded<page_reader>(system_, port_name_, under_way);
  if (added)
    return &all.emplace_back(reader{*std::move(added), std::move(under_way)});
  if (found != all.end())
    return &*found;
  log_line(log_level::error, "no reader of cache files: " + added.error().detail);
  return nullptr;
}

void page_readers::read(const caf::actor& port, fs_reply reply) {
  const auto* one = least_busy(disk_of(reply.extents()));
  if (one == nullptr) {
    fail(reply);
    return caf::anon_send(port, std::move(reply));
  }
  one->under_way->fetch_add(1, std::memory_order_relaxed);
  caf::anon_send(one->actor, read_pages{port, std::move(reply)});
}

void page_readers::end() {
  for (const auto& [disk, readers] : std::exchange(readers_, {}))
    for (const auto& one : readers)
      caf::anon_send_exit(one.actor, caf::exit_reason::user_shutdown);
}

} // namespace nydus
