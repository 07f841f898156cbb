// SPDX-License-Identifier: Apache-2.0
#include "actors/read_ahead.hpp"

#include <algorithm>

namespace nydus {

read_ahead::range read_ahead::after_read(std::uint64_t inode, std::uint64_t offset,
                                         std::uint64_t end) noexcept {
  auto& known = streams_[inode % streams_.size()];
  // Parallel requests of one reader arrive slightly out of order: a read within the window still goes on.
  const bool goes_on = known.inode == inode && offset <= known.next && end + window_ >= known.next &&
                       (offset != 0 || end < known.next);
  const bool is_next = known.inode == inode && offset == known.next && offset != 0;
  if (!goes_on && !is_next) {
    known = {inode, end, end};
    return {};
  }
  known.next = std::max(known.next, end);
  const auto wanted_until = known.next + window_;
  // Asked for in steps of half a window, so that reads of 4 KiB do not ask each time.
  if (known.asked_until >= wanted_until || wanted_until - known.asked_until < window_ / 2)
    return {};
  const auto from = std::max(known.asked_until, known.next);
  known.asked_until = wanted_until;
  return {from, wanted_until - from};
}

} // namespace nydus
