// SPDX-License-Identifier: Apache-2.0
// Which files go to the head of the blob, and what the prefetch table names (spec section 19.7).
#pragma once

#include <istream>
#include <string>
#include <unordered_map>
#include <vector>

#include "builder/build_settings.hpp"
#include "builder/file_tree.hpp"

namespace nydus::builder {

/// Absolute paths of files and directories of the image, in the user's order.
class prefetch_patterns {
public:
  /// One per line. Lines that are no absolute path, or that an earlier one covers, are left out with a
  /// warning.
  void read(std::istream& lines);
  bool empty() const noexcept { return positions_.empty(); }

private:
  friend struct prefetch_plan plan_dump(prefetch_policy, const prefetch_patterns&,
                                        const std::vector<tree_node*>&);
  std::unordered_map<std::string, std::size_t> positions_; // by normalized path
};

struct prefetch_plan {
  std::vector<tree_node*> files;     // all regular files with data, in the order in which they are dumped
  std::size_t prefetched_count = 0;  // of them, at the front, belong to patterns
  std::vector<std::uint32_t> inodes; // of the prefetch table; policy fs only
};

/// `by_index`: all nodes, in index order.
prefetch_plan plan_dump(prefetch_policy policy, const prefetch_patterns& patterns,
                        const std::vector<tree_node*>& by_index);

} // namespace nydus::builder
