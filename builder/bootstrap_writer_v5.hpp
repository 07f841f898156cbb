// SPDX-License-Identifier: Apache-2.0
// Writes a RAFS v5 bootstrap (spec section 19.6): tables first, then records in depth-first order.
#pragma once

#include <cstdint>
#include <ostream>
#include <span>
#include <vector>

#include "builder/blob_writer.hpp"
#include "builder/file_tree.hpp"

namespace nydus {

struct bootstrap_contents {
  file_node* root = nullptr;
  std::span<file_node* const> order; // numbering order
  std::uint64_t inode_count = 0;
  std::vector<std::uint32_t> prefetch; // inode numbers
  dumped_blob blob;                    // id empty: the image has no blob
};

/// malformed if the image would be larger than 2 GiB. The stream's own failures are left in its state.
result<void> write_bootstrap_v5(const bootstrap_contents& contents, const dump_options& options,
                                bool has_owners, std::ostream& out);

} // namespace nydus
