// SPDX-License-Identifier: Apache-2.0
// What the API shows of mounts, as JSON text (contract 3.3 and 7.6). Pure: records in, text out.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "actors/mount_messages.hpp"

namespace nydus {

/// `{"code":"UNDEFINED","message":...}`
std::string error_text(const std::string& message);

struct daemon_facts {
  std::string id;         // empty: null
  std::string supervisor; // empty: null
  std::string state;
};
/// `collection`: JSON of backend_collection; "null" in the v2 form.
std::string daemon_text(const daemon_facts& facts, const std::string& collection);
/// The mount's member of backend_collection, name and value.
std::string collection_member_text(const mount_record& mount);
std::string superblock_text(const mount_record& mount);
std::string fs_metrics_text(const mount_record& mount);
std::string file_metrics_text(const file_counter_list& files);
std::string latest_files_text(const file_counter_list& files);
std::string pattern_text(const file_counter_list& files);
std::string backend_metrics_text(const mount_record& mount);
std::string cache_metrics_text(const mount_record& mount);
std::string text_map_text(const std::map<std::string, std::string>& texts);
std::string inflight_text(const inflight_list& list);

} // namespace nydus
