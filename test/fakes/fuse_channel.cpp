// SPDX-License-Identifier: Apache-2.0
#include "test/fakes/fuse_channel.hpp"

#include <algorithm>
#include <string>

namespace nydus::fake {
namespace {

// Places in a slot's page.
constexpr std::uint32_t arguments_offset = 64;
constexpr std::uint32_t answer_offset = 4096 - 64;
constexpr std::size_t most_arguments = answer_offset - arguments_offset;
static_assert(arguments_offset >= sizeof(fuse_in_header) && 64 >= sizeof(fuse_out_header));

std::uint32_t rounded_to_pages(std::uint32_t size) {
  return (size + 4095) & ~std::uint32_t{4095};
}

} // namespace

fuse_channel::fuse_channel(guest_memory& memory, driver_queue& queue, channel_options options)
    : memory_(memory), queue_(queue), options_(options) {}

ticket fuse_channel::acquire(std::uint32_t body_size) {
  const std::uint32_t capacity = rounded_to_pages(body_size);
  auto& free = free_[capacity];
  if (free.empty()) {
    slot fresh;
    fresh.page = memory_.allocate(4096);
    fresh.body = capacity > 0 ? memory_.allocate(capacity) : 0;
    fresh.body_capacity = capacity;
    slots_.push_back(fresh);
    return static_cast<ticket>(slots_.size() - 1);
  }
  const ticket which = free.back();
  free.pop_back();
  return which;
}

void fuse_channel::release(ticket which) {
  free_[slots_[which].body_capacity].push_back(which);
}

ticket fuse_channel::submit(const fuse_question& question) {
  if (question.arguments.size() > most_arguments)
    throw std::out_of_range("arguments of " + std::to_string(question.arguments.size()) + " bytes");
  const ticket which = acquire(question.body_size);
  slot& mine = slots_[which];
  mine.body_size = question.body_size;
  mine.unique = next_unique_;
  mine.expected = question.expected;
  mine.finished = false;
  next_unique_ += 2; // odd numbers are the kernel's for INTERRUPT

  auto* const page = memory_.at(mine.page, 4096);
  const fuse_in_header header{
      .len = static_cast<std::uint32_t>(sizeof(fuse_in_header) + question.arguments.size()),
      .opcode = question.opcode,
      .unique = mine.unique,
      .nodeid = question.node,
      .uid = 0,
      .gid = 0,
      .pid = 1,
      .total_extlen = 0,
      .padding = 0};
  std::memcpy(page, &header, sizeof header);
  readable_.assign({{mine.page, sizeof header}});
  if (!question.arguments.empty()) {
    std::memcpy(page + arguments_offset, question.arguments.data(), question.arguments.size());
    readable_.push_back(
        {mine.page + arguments_offset, static_cast<std::uint32_t>(question.arguments.size())});
  }
  writable_.clear();
  if (question.expected != reply::none) {
    std::memset(page + answer_offset, 0, sizeof(fuse_out_header));
    writable_.push_back({mine.page + answer_offset, sizeof(fuse_out_header)});
    for (std::uint32_t at = 0; at < question.body_size; at += options_.piece_size)
      writable_.push_back({mine.body + at, std::min(options_.piece_size, question.body_size - at)});
  }
  if (!queue_.add(readable_, writable_, which)) {
    release(which);
    throw peer_error("queue " + std::to_string(queue_.index()) + " is full");
  }
  return which;
}

bool fuse_channel::take_one() {
  const auto used = queue_.pop_used();
  if (!used)
    return false;
  slots_[used->token].finished = true;
  slots_[used->token].used_length = used->length;
  arrived_.push_back(used->token);
  return true;
}

fuse_view fuse_channel::view(ticket which) const {
  const slot& mine = slots_[which];
  fuse_view answer{.which = which, .used_length = mine.used_length};
  if (mine.expected == reply::none)
    return answer;
  fuse_out_header header{};
  std::memcpy(&header, memory_.at(mine.page + answer_offset, sizeof header), sizeof header);
  if (mine.expected == reply::possible && header.len == 0)
    return answer;
  if (header.unique != mine.unique || header.len < sizeof header ||
      header.len - sizeof header > mine.body_size || header.error > 0)
    throw peer_error("request " + std::to_string(mine.unique) + ", room " + std::to_string(mine.body_size) +
                     ": answered as " + std::to_string(header.unique) + " with length " +
                     std::to_string(header.len) + " and error " + std::to_string(header.error));
  answer.error = -header.error;
  const std::size_t size = header.len - sizeof header;
  if (size > 0)
    answer.body = {memory_.at(mine.body, size), size};
  return answer;
}

std::optional<fuse_view> fuse_channel::next() {
  if (arrived_.empty() && !take_one())
    return std::nullopt;
  const ticket which = arrived_.front();
  arrived_.pop_front();
  return view(which);
}

void fuse_channel::wait_for_any() {
  if (arrived_.empty() && !queue_.wait_for_used(options_.patience))
    throw peer_error("queue " + std::to_string(queue_.index()) + ": " + std::to_string(queue_.outstanding()) +
                     " requests without an answer");
}

bool fuse_channel::finished(ticket which) {
  while (take_one()) {
  }
  return slots_[which].finished;
}

fuse_answer fuse_channel::wait(ticket which) {
  while (!finished(which))
    if (!queue_.wait_for_used(options_.patience))
      throw peer_error("queue " + std::to_string(queue_.index()) + ": no answer to request " +
                       std::to_string(slots_[which].unique));
  arrived_.erase(std::find(arrived_.begin(), arrived_.end(), which));
  const fuse_view found = view(which);
  fuse_answer answer{found.error, {found.body.begin(), found.body.end()}, found.used_length};
  release(which);
  return answer;
}

fuse_answer fuse_channel::call(const fuse_question& question) {
  const ticket which = submit(question);
  kick();
  return wait(which);
}

} // namespace nydus::fake
