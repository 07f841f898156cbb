// SPDX-License-Identifier: Apache-2.0
#include "api/trace_text.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <map>
#include <set>

#include "actors/fs_request.hpp"
#include "api/trace_filter.hpp"

using namespace nydus;
using nlohmann::json;

TEST_SUITE_BEGIN("api/trace_text");

namespace {

/// A read of mount 3 that waited for its chunks.
trace_event slow_read(std::uint64_t id, std::uint64_t received, std::uint64_t duration) {
  trace_event event;
  event.trace = trace_id{id};
  event.times = {received, received + 1000, received + 2000, received + 3000, received + duration - 1000};
  event.ended = received + duration;
  event.subject = make_node_id(3, 77);
  event.size = 4096;
  event.opcode = FUSE_READ;
  event.mount = 3;
  return event;
}

trace_event warm_lookup(std::uint64_t id, std::uint64_t received, std::uint32_t mount) {
  trace_event event;
  event.trace = trace_id{id};
  event.times = {received, received + 100, received + 200, 0, 0};
  event.ended = received + 300;
  event.subject = make_node_id(mount, 1);
  event.opcode = FUSE_LOOKUP;
  event.mount = mount;
  return event;
}

trace_event fetch_for(std::uint64_t id, std::uint64_t queued) {
  trace_event event;
  event.kind = trace_kind::fetch;
  event.trace = trace_id{id};
  event.times = {queued, queued + 10, queued + 500, 0, 0};
  event.ended = queued + 900;
  event.opcode = 4;
  event.name_blob("0123456789abcdef0123456789abcdef");
  return event;
}

std::map<std::string, std::string>
words(std::initializer_list<std::pair<const std::string, std::string>> all) {
  return all;
}

mount_list mounts() {
  mount_list all;
  for (const std::uint32_t number : {3u, 4u}) {
    auto record = std::make_shared<mount_record>();
    record->number = number;
    record->mountpoint = number == 3 ? "/a/b" : "/c";
    all.mounts.push_back(std::move(record));
  }
  return all;
}

} // namespace

TEST_CASE("every span that begins ends, nested and in time, and steps that did not happen are not there") {
  const auto events =
      pick({}, {slow_read(1, 10'000, 9'000), warm_lookup(2, 50'000, 4), fetch_for(1, 12'500)});
  const auto text = json::parse(trace_text(events, {}, {{3, "/a/b"}, {4, "/c"}}));
  CHECK(text["displayTimeUnit"] == "ns");
  std::map<std::string, std::map<std::string, double>> open; // by id and name
  std::set<std::string> names;
  for (const auto& one : text["traceEvents"]) {
    if (one["ph"] == "M")
      continue;
    const std::string id = one["id"], name = one["name"];
    const double at = one["ts"];
    names.insert(id + " " + name);
    if (one["ph"] == "b") {
      CHECK(open[id].emplace(name, at).second);
    } else {
      REQUIRE(one["ph"] == "e");
      REQUIRE(open[id].count(name) == 1);
      CHECK(at >= open[id][name]);
      open[id].erase(name);
    }
  }
  for (const auto& [id, spans] : open)
    CHECK(spans.empty());
  CHECK(names == std::set<std::string>{"0x1 READ", "0x1 received", "0x1 routed", "0x1 mount", "0x1 cache",
                                       "0x1 reply", "0x1 fetch", "0x1 queued", "0x1 read", "0x1 decode",
                                       "0x2 LOOKUP", "0x2 received", "0x2 routed", "0x2 mount"});
}

TEST_CASE("a request says what it was about, and its process is called by its mountpoint") {
  const auto text = json::parse(trace_text(pick({}, {slow_read(1, 10'000, 9'000)}), {}, {{3, "/a/b"}}));
  bool is_named = false;
  for (const auto& one : text["traceEvents"]) {
    if (one["ph"] == "M" && one["pid"] == 3)
      is_named = one["args"]["name"] == "/a/b";
    if (one["name"] == "READ" && one["ph"] == "b") {
      CHECK(one["ts"] == 10.0);
      CHECK(one["args"]["inode"] == 77);
      CHECK(one["args"]["size"] == 4096);
      CHECK(one["args"]["outcome"] == 0);
      CHECK(one["args"]["duration_us"] == 9.0);
    }
  }
  CHECK(is_named);
}

TEST_CASE("what is under way begins and does not end") {
  inflight_list under_way;
  under_way.requests.push_back({make_node_id(3, 5), FUSE_READ, 9, 0, trace_id{16}, 5000});
  const auto text = json::parse(trace_text({}, under_way, {}));
  const auto& last = text["traceEvents"].back();
  CHECK(last["ph"] == "b");
  CHECK(last["id"] == "0x10");
  CHECK(last["args"]["is_under_way"] == true);
}

TEST_CASE("a filter picks requests, and the fetches that they caused") {
  const std::vector<trace_event> all{slow_read(1, 10'000, 9'000), slow_read(5, 30'000, 90'000),
                                     warm_lookup(2, 50'000, 4),   fetch_for(1, 12'500),
                                     fetch_for(5, 31'000),        slow_read(5, 30'000, 90'000)};
  const auto picked = [&](const std::map<std::string, std::string>& query) {
    const auto filter = read_trace_filter(query, mounts());
    REQUIRE(filter);
    std::multiset<std::uint64_t> ids;
    for (const auto& one : pick(*filter, all))
      ids.insert(static_cast<std::uint64_t>(one.trace));
    return ids;
  };
  using ids = std::multiset<std::uint64_t>;
  CHECK(picked({}) == ids{1, 1, 2, 5, 5}); // one that is in the ring and among the slowest is shown once
  CHECK(picked(words({{"mount", "c"}})) == ids{2});
  CHECK(picked(words({{"opcode", "READ"}})) == ids{1, 1, 5, 5});
  CHECK(picked(words({{"opcode", "15"}})) == ids{1, 1, 5, 5});
  CHECK(picked(words({{"slowest", "1"}})) == ids{5, 5});
  CHECK(picked(words({{"since", "20"}, {"mount", "/a/b/"}})) == ids{5, 5});
  CHECK(picked(words({{"limit", "1"}, {"opcode", "READ"}})) == ids{5, 5});
}

TEST_CASE("a wrong parameter is refused by name, with its value and what is right") {
  std::map<std::string, std::string> query;
  std::string expected;
  SUBCASE("mount") {
    query = words({{"mount", "/nowhere"}});
    expected = "mount '/nowhere' is not right; a mountpoint that is mounted would be";
  }
  SUBCASE("opcode") {
    query = words({{"opcode", "REED"}});
    expected = "opcode 'REED' is not right; a FUSE operation such as READ, or its number, would be";
  }
  SUBCASE("slowest") {
    query = words({{"slowest", "0"}});
    expected = "slowest '0' is not right; a number from 1 to 100000 would be";
  }
  SUBCASE("limit") {
    query = words({{"limit", "1e3"}});
    expected = "limit '1e3' is not right; a number from 1 to 100000 would be";
  }
  SUBCASE("since") {
    query = words({{"since", "18446744073709551615"}});
    expected = "since '18446744073709551615' is not right; a number of microseconds, as the ts of an event, "
               "would be";
  }
  const auto filter = read_trace_filter(query, mounts());
  REQUIRE(!filter);
  CHECK(filter.error().detail == expected);
}
