// SPDX-License-Identifier: Apache-2.0
// Which entries of a layer are no entries but say what is gone below (spec sections 19.2 and 19.8).
#pragma once

#include <string>

#include "builder/build_settings.hpp"
#include "builder/file_tree.hpp"

namespace nydus::builder {

enum class whiteout_kind : std::uint8_t {
  none,             // an entry as any other
  removes_name,     // the lower entry whiteout::name is gone
  removes_children, // all lower children of the directory that holds it are gone
  opaque,           // a directory that hides what its lower namesake held; stays an entry
};

struct whiteout {
  whiteout_kind kind = whiteout_kind::none;
  std::string name; // removes_name only
};

whiteout whiteout_of(const tree_node& node, whiteout_spec spec);

/// Takes the mark off a directory that is opaque by overlayfs's rules.
void clear_opaque(tree_node& directory);

} // namespace nydus::builder
