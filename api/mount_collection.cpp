// SPDX-License-Identifier: Apache-2.0
#include "api/mount_collection.hpp"

#include <utility>

#include "api/json_text.hpp"

namespace nydus {

std::string mount_collection::text(const mount_list& mounts) {
  auto before = std::exchange(members_, {});
  std::string all = "{";
  for (const auto& mount : mounts.mounts) {
    const auto found = before.find(mount->number);
    const bool is_kept = found != before.end() && found->second.mounted_at == mount->mounted_at;
    auto one = is_kept ? std::move(found->second) : member{mount->mounted_at, collection_member_text(*mount)};
    if (all.size() > 1)
      all += ',';
    all += one.text;
    members_.emplace(mount->number, std::move(one));
  }
  return all + "}";
}

} // namespace nydus
