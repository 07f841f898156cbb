// SPDX-License-Identifier: Apache-2.0
#include "actors/fuse_port.hpp"

#include <sys/epoll.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "actors/fs_request.hpp"
#include "actors/hot_message.hpp"
#include "actors/log_line.hpp"
#include "actors/message_types.hpp"
#include "actors/page_reader.hpp"
#include "actors/pinned.hpp"
#include "actors/request_slots.hpp"
#include "actors/session_answers.hpp"

namespace nydus {

namespace {

constexpr std::size_t most_extents = 64; // of one answer; more are gathered by page_reader

class fuse_port : public pinned_actor {
public:
  fuse_port(caf::actor_config& config, reactor& home, fuse_port_parts parts)
      : pinned_actor(config, home, "fuse_port"), parts_(std::move(parts)),
        request_(fuse::request_buffer_size), pages_(config.host->system(), home.name()) {}

  caf::behavior make_behavior() override {
    // A reader whose read-ahead wakes us copies what it has, while another processor's port reads ahead.
    home().let_wakers_go_on();
    home().watch(parts_.fd.get(), EPOLLIN, [this](std::uint32_t) {
      return survive([this] { return take_request(); }, [this] { return lose_request(); });
    });
    return {
        [this](const interrupt_request& wanted) { interrupt(wanted.unique); },
        [this](const know_siblings& known) { siblings_ = known.ports; },
        [this](const list_inflight&) { return slots_.inflight(); },
        [this](const list_slowest&) { return slow_request_list{slots_.slowest()}; },
        [this](const close_port&) {
          close();
          return port_closed{};
        },
    };
  }

  void on_exit() override {
    close();
    pages_.end();
  }

private:
  void start_anew(const caf::type_erased_tuple& lost) noexcept override {
    if (const auto* reply = as<fs_reply>(lost)) {
      if (const auto unique = slots_.unique_of(reply->slot))
        write_reply(*unique, EIO, {});
      slots_.end(fs_reply{reply->slot, EIO, reply->times, {}});
    }
  }

  bool take_hot(caf::mailbox_element& message) override {
    const auto* reply = message_as<fs_reply>(message);
    if (reply != nullptr)
      finish(*reply);
    return reply != nullptr;
  }

  // -- requests --------------------------------------------------------------

  /// Takes one, so that its answer does not wait for those behind it; true if there may be more.
  bool take_request() {
    const auto size = ::read(parts_.fd.get(), request_.data(), request_.size());
    if (size >= 0) {
      take(std::span{request_}.first(static_cast<std::size_t>(size)));
      return true;
    }
    if (errno == EINTR || errno == ENOENT) // ENOENT: its asker gave it up meanwhile
      return true;
    if (errno == EAGAIN)
      return false;
    if (errno != ENODEV)
      log_line(log_level::error, system_failure("read /dev/fuse", errno).detail);
    end_session();
    return false;
  }

  /// The request in hand goes no further: its asker is told. There may be more.
  bool lose_request() {
    fuse_in_header header{};
    std::memcpy(&header, request_.data(), sizeof header);
    (void) slots_.interrupt(header.unique); // a late answer is dropped
    if (!fuse::has_no_reply(header.opcode))
      write_reply(header.unique, EIO, {});
    return true;
  }

  void take(std::span<const std::byte> bytes) {
    auto decoded = fuse::decode(bytes);
    if (!decoded.request_or_failure) {
      log_line(log_level::warning, decoded.request_or_failure.error().detail);
      if (decoded.has_header && !fuse::has_no_reply(decoded.header.opcode))
        write_reply(decoded.header.unique, to_errno(decoded.request_or_failure.error().code), {});
      return;
    }
    auto& asked = *decoded.request_or_failure;
    if (asked.opcode == FUSE_INTERRUPT) {
      if (!interrupt(asked.interrupted))
        for (const auto& sibling : siblings_)
          send(sibling, interrupt_request{asked.interrupted});
      return;
    }
    if (fuse::has_no_reply(asked.opcode))
      return;
    if (const auto answer = answer_of_session(asked, parts_.terms))
      return write_reply(asked.unique, answer->error, answer->body.span());
    auto request = slots_.begin(std::move(asked), caf::actor_cast<caf::actor>(this), now_nanoseconds());
    request.can_recall = true;
    hand_on(parts_.router, &home(), std::move(request));
  }

  /// Answers EINTR for a request of this port, if it still waits.
  bool interrupt(std::uint64_t unique) {
    if (!slots_.interrupt(unique))
      return false;
    write_reply(unique, EINTR, {});
    return true;
  }

  // -- answers ---------------------------------------------------------------

  void finish(const fs_reply& reply) {
    if (const auto unique = slots_.unique_of(reply.slot)) {
      const auto extents = reply.extents();
      if (extents.empty())
        write_reply(*unique, reply.error, reply.bytes());
      else if (!write_extents(*unique, extents)) {
        // A page of the cache file is not in memory: a thread that may block brings it.
        pages_.read(caf::actor_cast<caf::actor>(this), reply);
        return;
      }
    }
    slots_.end(reply);
  }

  /// False if that would block, or is too scattered; nothing is written then. The bytes of cache files go
  /// from their pages to /dev/fuse without a copy between.
  bool write_extents(std::uint64_t unique, std::span<const extent> extents) {
    static const std::vector<std::byte> zeros(fuse::max_read);
    fuse_out_header header{};
    std::array<iovec, most_extents + 1> parts;
    if (extents.size() > most_extents)
      return false;
    std::size_t total = 0;
    for (std::size_t i = 0; i < extents.size(); ++i) {
      const auto& one = extents[i];
      std::optional<std::span<const std::byte>> bytes;
      if (one.buffer)
        bytes = one.buffer->span().subspan(one.offset, one.size);
      else if (one.file)
        bytes = one.file->resident(one.offset, one.size);
      else
        bytes = std::span{zeros}.first(one.size);
      if (!bytes)
        return false;
      parts[i + 1] = {const_cast<std::byte*>(bytes->data()), bytes->size()};
      total += one.size;
    }
    header.len = static_cast<std::uint32_t>(sizeof header + total);
    header.unique = unique;
    parts[0] = {&header, sizeof header};
    // A cache file that was cut short meanwhile: the reader that may block finds out and says so.
    return write_parts(parts.data(), static_cast<int>(extents.size() + 1)) != EFAULT;
  }

  void write_reply(std::uint64_t unique, int error, std::span<const std::byte> body) {
    fuse_out_header header{};
    header.len = static_cast<std::uint32_t>(sizeof header + body.size());
    header.error = -error;
    header.unique = unique;
    std::array<iovec, 2> parts{
        {{&header, sizeof header}, {const_cast<std::byte*>(body.data()), body.size()}}};
    write_parts(parts.data(), body.empty() ? 1 : 2);
  }

  /// 0 or the errno, which is logged if it is our own fault.
  int write_parts(const iovec* parts, int count) {
    while (::writev(parts_.fd.get(), parts, count) < 0) {
      if (errno == EINTR)
        continue;
      if (errno != ENOENT && errno != ENODEV &&
          errno != EFAULT) // gone askers and an ended session want no answer
        log_line(log_level::error, system_failure("write /dev/fuse", errno).detail);
      return errno;
    }
    return 0;
  }

  // -- life ------------------------------------------------------------------

  void close() {
    if (is_open_)
      home().unwatch(parts_.fd.get());
    is_open_ = false;
  }

  void end_session() {
    close();
    if (parts_.session_ended)
      parts_.session_ended();
  }

  fuse_port_parts parts_;
  std::vector<std::byte> request_; // bytes of the request being taken
  request_slots slots_;
  page_readers pages_;
  std::vector<caf::actor> siblings_;
  bool is_open_ = true;
};

} // namespace

caf::actor spawn_fuse_port(caf::actor_system& system, reactor& home, fuse_port_parts parts) {
  return spawn_pinned<fuse_port>(system, home, std::move(parts));
}

} // namespace nydus
