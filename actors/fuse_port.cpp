// SPDX-License-Identifier: Apache-2.0
#include "actors/fuse_port.hpp"

#include <sys/epoll.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "actors/fs_request.hpp"
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
      : pinned_actor(config, home), parts_(std::move(parts)), request_(fuse::request_buffer_size),
        reply_(fuse::max_read) {}

  const char* name() const override { return "fuse_port"; }

  caf::behavior make_behavior() override {
    home().watch(parts_.fd.get(), EPOLLIN, [this](std::uint32_t) { return take_request(); });
    return {
        [this](const fs_reply& reply) { finish(reply); },
        [this](const interrupt_request& wanted) { interrupt(wanted.unique); },
        [this](const know_siblings& known) { siblings_ = known.ports; },
        [this](const list_inflight&) { return slots_.inflight(); },
        [this](const close_port&) {
          close();
          return port_closed{};
        },
    };
  }

  void on_exit() override { close(); }

private:
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
    const auto number = slots_.take(asked);
    fs_request request{std::move(asked), caf::actor_cast<caf::actor>(this), number};
    parts_.router->enqueue(caf::make_mailbox_element(nullptr, caf::make_message_id(), {}, std::move(request)),
                           &home());
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
      const auto* extents = std::get_if<std::vector<extent>>(&reply.body);
      if (reply.error != 0 || extents == nullptr)
        write_small(*unique, reply);
      else if (!write_extents(*unique, *extents)) {
        // A page of the cache file is not in memory: a thread that may block brings it.
        read_pages(system(), caf::actor_cast<caf::actor>(this), reply.slot, *extents);
        return;
      }
    }
    slots_.release(reply.slot);
  }

  void write_small(std::uint64_t unique, const fs_reply& reply) {
    std::span<const std::byte> body;
    if (const auto* small = std::get_if<inline_body>(&reply.body))
      body = small->span();
    else if (const auto* bytes = std::get_if<std::vector<std::byte>>(&reply.body))
      body = *bytes;
    write_reply(unique, reply.error, body);
  }

  /// False if that would block, or is too scattered; nothing is written then.
  bool write_extents(std::uint64_t unique, const std::vector<extent>& extents) {
    fuse_out_header header{};
    std::array<iovec, most_extents + 1> parts;
    if (extents.size() > most_extents)
      return false;
    std::size_t total = 0;
    std::size_t filled = 0; // of reply_
    for (std::size_t i = 0; i < extents.size(); ++i) {
      const auto& one = extents[i];
      auto& part = parts[i + 1];
      part.iov_len = one.size;
      total += one.size;
      if (one.buffer) {
        part.iov_base = const_cast<std::byte*>(one.buffer->span().data() + one.offset);
        continue;
      }
      part.iov_base = reply_.data() + filled;
      filled += one.size;
      if (filled > reply_.size())
        return false;
      if (!one.file) {
        std::memset(part.iov_base, 0, one.size);
        continue;
      }
      if (::preadv2(one.file->fd(), &part, 1, static_cast<off_t>(one.offset), RWF_NOWAIT) !=
          static_cast<ssize_t>(one.size))
        return false;
    }
    header.len = static_cast<std::uint32_t>(sizeof header + total);
    header.unique = unique;
    parts[0] = {&header, sizeof header};
    write_parts(parts.data(), static_cast<int>(extents.size() + 1));
    return true;
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

  void write_parts(const iovec* parts, int count) {
    while (::writev(parts_.fd.get(), parts, count) < 0) {
      if (errno == EINTR)
        continue;
      if (errno != ENOENT && errno != ENODEV) // gone askers and an ended session want no answer
        log_line(log_level::error, system_failure("write /dev/fuse", errno).detail);
      return;
    }
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
  std::vector<std::byte> reply_;   // bytes of the answer being written
  request_slots slots_;
  std::vector<caf::actor> siblings_;
  bool is_open_ = true;
};

} // namespace

caf::actor spawn_fuse_port(caf::actor_system& system, reactor& home, fuse_port_parts parts) {
  return spawn_pinned<fuse_port>(system, home, std::move(parts));
}

} // namespace nydus
