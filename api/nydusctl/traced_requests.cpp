// SPDX-License-Identifier: Apache-2.0
#include "api/nydusctl/traced_requests.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <unordered_map>

#include "api/nydusctl/answer_reader.hpp"
#include "api/nydusctl/quantity_text.hpp"

namespace nydus::ctl {

namespace {

/// Spans of one id nest; those with args are requests and fetches, the others are steps of the one before.
class trace_builder {
public:
  void add(answer_reader& event) {
    const auto phase = event.text("ph");
    if (phase == "M")
      return name_mount(event);
    const auto id = event.text("id");
    const auto name = event.text("name");
    const auto at = event.number("ts");
    if (phase == "b" && event.has("args"))
      begin(event, id, name, at);
    else if (const auto open = latest_.find(id); open == latest_.end())
      return; // its beginning is not in this answer
    else if (phase == "b")
      all_[open->second].steps.push_back({name, at, -1});
    else if (phase == "e")
      end(all_[open->second], name, at);
  }

  std::vector<traced_request> take() {
    for (auto& one : all_) {
      const auto mount = mounts_.find(one.mount);
      one.mount = mount != mounts_.end() ? mount->second : "mount " + one.mount;
      std::erase_if(one.steps, [](const traced_step& step) { return step.took < 0; });
    }
    std::unordered_map<std::string, std::size_t> order; // of ids, by the request or the first fetch
    for (std::size_t i = 0; i < all_.size(); ++i)
      order.try_emplace(all_[i].id, i);
    std::stable_sort(all_.begin(), all_.end(), [&](const traced_request& a, const traced_request& b) {
      const auto left = order[a.id];
      const auto right = order[b.id];
      return left != right ? left < right : a.is_fetch() < b.is_fetch();
    });
    return std::move(all_);
  }

private:
  void name_mount(answer_reader& event) {
    if (event.text("name") == "process_name")
      mounts_[std::to_string(event.count("pid"))] = event.child("args").text("name");
  }

  void begin(answer_reader& event, const std::string& id, const std::string& name, double at) {
    auto args = event.child("args");
    traced_request one;
    one.id = id;
    one.name = name;
    one.mount = std::to_string(event.count("pid"));
    one.began = at;
    if (one.is_fetch())
      one.place = fmt::format("{} at {}", args.text("blob").substr(0, 12), args.count("offset"));
    else
      one.place = fmt::format("inode {}", args.count("inode"));
    if (args.has("size"))
      one.size = args.count("size");
    if (args.has("outcome"))
      one.outcome = args.count("outcome");
    latest_[id] = all_.size();
    all_.push_back(std::move(one));
  }

  static void end(traced_request& one, const std::string& name, double at) {
    const auto step = std::find_if(one.steps.rbegin(), one.steps.rend(), [&](const traced_step& open) {
      return open.took < 0 && open.name == name;
    });
    if (step != one.steps.rend())
      step->took = std::max(at - step->began, 0.0);
    else if (name == one.name)
      one.took = std::max(at - one.began, 0.0);
  }

  std::vector<traced_request> all_;
  std::unordered_map<std::string, std::size_t> latest_; // by id: what steps belong to
  std::map<std::string, std::string> mounts_;           // mountpoints, by number
};

std::string outcome_text(const traced_request& one) {
  if (!one.took)
    return "under way";
  return one.outcome == 0 ? "ok" : std::strerror(static_cast<int>(one.outcome));
}

} // namespace

result<std::vector<traced_request>> read_trace(const config_value& answer) {
  answer_reader fields{answer};
  trace_builder builder;
  for (auto& event : fields.items("traceEvents"))
    builder.add(event);
  if (!fields.outcome())
    return fields.outcome().error();
  return builder.take();
}

std::string trace_table(const std::vector<traced_request>& requests) {
  std::vector<std::vector<std::string>> rows{{"REQUEST", "MOUNT", "OF", "OUTCOME", "SIZE", "TOOK", "STEPS"}};
  for (const auto& one : requests) {
    std::string steps;
    for (const auto& step : one.steps)
      steps += (steps.empty() ? "" : ", ") + step.name + " " + time_text(step.took);
    rows.push_back({(one.is_fetch() ? "  " : "") + one.name, one.mount, one.place, outcome_text(one),
                    bytes_text(static_cast<double>(one.size)), one.took ? time_text(*one.took) : "-", steps});
  }
  return table_text(rows, "llllrrl");
}

} // namespace nydus::ctl
