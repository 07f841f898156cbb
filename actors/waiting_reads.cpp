// SPDX-License-Identifier: Apache-2.0
#include "actors/waiting_reads.hpp"

namespace nydus {

const settled_chunk* waiting_read::settled_of(const chunk& source) const {
  const auto found = settled.find({source.blob_index, source.compressed_offset});
  return found == settled.end() ? nullptr : &found->second;
}

bool waiting_reads::has_room(std::uint64_t bytes) const noexcept {
  return waiting_.empty() || (waiting_.size() < limits_.mount_reads && bytes_ + bytes <= limits_.mount_bytes);
}

void waiting_reads::queue(fs_request request) {
  queued_.push_back(std::move(request));
  show();
}

std::optional<fs_request> waiting_reads::next_with_room() {
  if (queued_.empty() || !has_room(queued_.front().asked.size))
    return std::nullopt;
  auto next = std::move(queued_.front());
  queued_.pop_front();
  show();
  return next;
}

void waiting_reads::begin(fs_request request, std::vector<chunk_slice> slices) {
  bytes_ += request.asked.size;
  auto& read = waiting_[++last_read_];
  read.request = std::move(request);
  read.slices = std::move(slices);
  show();
}

std::uint64_t waiting_reads::ask(std::uint32_t blob_index) {
  parts_.emplace(++last_ticket_, asked_part{last_read_, blob_index});
  ++waiting_.at(last_read_).unsettled;
  return last_ticket_;
}

std::optional<waiting_read> waiting_reads::settle(const chunks_ready& ready) {
  const auto part = parts_.find(ready.ticket);
  if (part == parts_.end())
    return std::nullopt;
  const auto found = waiting_.find(part->second.read);
  auto& read = found->second;
  for (const auto& settled : ready.chunks)
    read.settled.emplace(std::pair{part->second.blob_index, settled.compressed_offset}, settled);
  parts_.erase(part);
  if (--read.unsettled > 0)
    return std::nullopt;
  auto ended = std::move(read);
  waiting_.erase(found);
  bytes_ -= ended.request.asked.size;
  show();
  return ended;
}

std::vector<fs_request> waiting_reads::take_all() {
  std::vector<fs_request> all;
  for (auto& [key, read] : waiting_)
    all.push_back(std::move(read.request));
  for (auto& request : queued_)
    all.push_back(std::move(request));
  waiting_.clear();
  parts_.clear();
  queued_.clear();
  bytes_ = 0;
  show();
  return all;
}

void waiting_reads::show() noexcept {
  constexpr auto relaxed = std::memory_order_relaxed;
  shown_->waiting_reads.store(waiting_.size(), relaxed);
  shown_->waiting_bytes.store(bytes_, relaxed);
  shown_->queued_reads.store(queued_.size(), relaxed);
}

} // namespace nydus
