// SPDX-License-Identifier: Apache-2.0
// Sums of counters whose owners come and go (mounts, blobs, actors), which have to grow all the same: what an
// owner had counted when it went stays in the sum. Neighbour: prometheus_text.
#pragma once

#include <memory>
#include <set>
#include <vector>

#include "actors/mount_counters.hpp"

namespace nydus {

/// `Counters` has a free add_all(Total&, const Counters&). An owner that comes and goes between two calls of
/// follow() is not counted.
template <class Counters, class Total = Counters>
class lasting_sum {
public:
  /// Those that are there now; the same one may be named several times and counts once.
  void follow(const std::vector<std::shared_ptr<const Counters>>& present) {
    std::set<std::shared_ptr<const Counters>> now{present.begin(), present.end()};
    for (const auto& one : followed_)
      if (!now.contains(one))
        add_all(gone_, *one);
    followed_ = std::move(now);
  }

  void add_to(Total& total) const {
    add_all(total, gone_);
    for (const auto& one : followed_)
      add_all(total, *one);
  }

private:
  std::set<std::shared_ptr<const Counters>> followed_;
  Total gone_{};
};

} // namespace nydus
