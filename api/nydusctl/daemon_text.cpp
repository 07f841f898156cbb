// SPDX-License-Identifier: Apache-2.0
#include "api/nydusctl/daemon_text.hpp"

#include <fmt/format.h>

#include "api/nydusctl/answer_reader.hpp"

namespace nydus::ctl {

namespace {

std::string mount_text(const std::string& mountpoint, answer_reader& mount) {
  const auto kind = mount.text("backend_type");
  auto text = fmt::format("\tInstance Mountpoint:  {}\n\tType:  {}\n\tMounted Time:  {}\n", mountpoint, kind,
                          mount.text("mounted_time"));
  if (kind == "Rafs") {
    auto config = mount.child("config");
    auto prefetch = config.child("cache").child("prefetch");
    text += fmt::format("\tMode:  {}\n\tPrefetch:  {}\n\tPrefetch Merging Size:  {}\n",
                        config.child("rafs").text("mode"), prefetch.truth("enable"),
                        prefetch.count("batch_size"));
  }
  return text + '\n';
}

} // namespace

result<std::string> daemon_text(const config_value& answer) {
  answer_reader fields{answer};
  auto version = fields.child("version");
  auto text = fmt::format("Version:                {}\n"
                          "Status:                 {}\n"
                          "Profile:                {}\n"
                          "Commit:                 {}\n",
                          version.text("package_ver"), fields.text("state"), version.text("profile"),
                          version.text("git_commit"));
  if (const auto id = fields.text("id"); !id.empty())
    text += "Id:                     " + id + '\n';
  auto mounts = fields.entries("backend_collection");
  if (!mounts.empty())
    text += "Instances:\n";
  for (auto& [mountpoint, mount] : mounts)
    text += mount_text(mountpoint, mount);
  if (!fields.outcome())
    return fields.outcome().error();
  return text;
}

} // namespace nydus::ctl
