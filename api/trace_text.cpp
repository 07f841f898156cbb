// SPDX-License-Identifier: Apache-2.0
#include "api/trace_text.hpp"

#include <nlohmann/json.hpp>

#include <array>
#include <charconv>

#include "actors/fs_request.hpp"
#include "protocol/fuse/request.hpp"

namespace nydus {

namespace {

using json = nlohmann::ordered_json;

bool is_request(const trace_event& event) noexcept {
  return event.kind == trace_kind::request;
}

double microseconds(std::uint64_t nanoseconds) noexcept {
  return static_cast<double>(nanoseconds) / 1000.0;
}

std::string hexadecimal(std::uint64_t number) {
  std::array<char, 16> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number, 16).ptr;
  return "0x" + std::string(digits.data(), end);
}

/// Writes the events of one group of spans.
class span_group {
public:
  span_group(json& events, const char* category, std::uint64_t id, std::uint32_t mount)
      : events_(events), category_(category), id_(hexadecimal(id)), mount_(mount) {}

  void begin(const char* name, std::uint64_t at, json args = {}) { add("b", name, at, std::move(args)); }
  void end(const char* name, std::uint64_t at) { add("e", name, at, {}); }
  /// A step from `since` to `until`; none if it did not happen.
  void step(const char* name, std::uint64_t since, std::uint64_t until) {
    if (since == 0 || until < since)
      return;
    begin(name, since);
    end(name, until);
  }

private:
  void add(const char* phase, const char* name, std::uint64_t at, json args) {
    json event{{"name", name},  {"cat", category_}, {"ph", phase}, {"ts", microseconds(at)},
               {"pid", mount_}, {"tid", 0},         {"id", id_}};
    if (!args.is_null())
      event["args"] = std::move(args);
    events_.push_back(std::move(event));
  }

  json& events_;
  const char* category_;
  std::string id_;
  std::uint32_t mount_;
};

void add_request(json& events, const trace_event& one) {
  const auto* name = fuse::opcode_name(one.opcode);
  const auto& t = one.times;
  span_group group{events, "request", static_cast<std::uint64_t>(one.trace), one.mount};
  group.begin(name, t.received,
              {{"opcode", one.opcode},
               {"mount", one.mount},
               {"inode", inode_of(one.subject)},
               {"size", one.size},
               {"outcome", one.outcome},
               {"duration_us", microseconds(one.duration())}});
  group.step("received", t.received, t.routed);
  group.step("routed", t.routed, t.mounted);
  // What was over the limits waited before the caches were asked.
  group.step("mount", t.mounted, t.asked != 0 ? t.asked : one.ended);
  group.step("cache", t.asked, t.ready != 0 ? t.ready : one.ended);
  group.step("reply", t.ready, one.ended);
  group.end(name, one.ended);
}

void add_fetch(json& events, const trace_event& one, std::uint64_t number) {
  const auto& t = one.times;
  // A fetch that no request caused is a group of its own.
  const auto id = one.trace == trace_id{} ? ~number : static_cast<std::uint64_t>(one.trace);
  span_group group{events, one.trace == trace_id{} ? "fetch" : "request", id, one.mount};
  group.begin("fetch", t.received,
              {{"blob", std::string{one.blob_name()}},
               {"offset", one.subject},
               {"size", one.size},
               {"chunks", one.opcode},
               {"outcome", one.outcome},
               {"duration_us", microseconds(one.duration())}});
  group.step("queued", t.received, t.routed);
  group.step("read", t.routed, t.mounted);
  group.step("decode", t.mounted, one.ended);
  group.end("fetch", one.ended);
}

} // namespace

std::string trace_text(const std::vector<trace_event>& events, const inflight_list& under_way,
                       const std::map<std::uint32_t, std::string>& mountpoints) {
  auto list = json::array();
  list.push_back({{"name", "process_name"},
                  {"ph", "M"},
                  {"pid", 0},
                  {"tid", 0},
                  {"ts", 0},
                  {"args", {{"name", "pseudo-directories"}}}});
  for (const auto& [number, path] : mountpoints)
    list.push_back({{"name", "process_name"},
                    {"ph", "M"},
                    {"pid", number},
                    {"tid", 0},
                    {"ts", 0},
                    {"args", {{"name", path}}}});
  std::uint64_t number = 0;
  for (const auto& one : events)
    if (is_request(one))
      add_request(list, one);
    else
      add_fetch(list, one, ++number);
  for (const auto& one : under_way.requests) {
    span_group group{list, "request", static_cast<std::uint64_t>(one.trace), mount_of(one.inode)};
    group.begin(fuse::opcode_name(one.opcode), one.received,
                {{"opcode", one.opcode},
                 {"mount", mount_of(one.inode)},
                 {"inode", inode_of(one.inode)},
                 {"is_under_way", true}});
  }
  const json text{{"displayTimeUnit", "ns"}, {"traceEvents", std::move(list)}};
  return text.dump(-1, ' ', false, json::error_handler_t::replace);
}

} // namespace nydus
