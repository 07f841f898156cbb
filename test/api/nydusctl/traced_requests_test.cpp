// SPDX-License-Identifier: Apache-2.0
#include "api/nydusctl/traced_requests.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

using namespace nydus;
using namespace nydus::ctl;
using nlohmann::json;

namespace {

json span(const char* phase, const char* name, double at, const char* id, json args = nullptr) {
  json event{{"ph", phase}, {"name", name}, {"cat", "request"}, {"ts", at},
             {"id", id},    {"pid", 3},     {"tid", 0}};
  if (!args.is_null())
    event["args"] = std::move(args);
  return event;
}

result<std::vector<traced_request>> read(const json& events) {
  const auto value = config_value::from_json(json{{"traceEvents", events}}.dump());
  REQUIRE(value);
  return read_trace(*value);
}

const json named{{"ph", "M"}, {"name", "process_name"}, {"pid", 3}, {"args", {{"name", "/a"}}}};
const json read_args{{"inode", 7}, {"size", 4096}, {"outcome", 0}};
const json fetch_args{{"blob", "7334a2594e133cf8"}, {"offset", 8192}, {"size", 100}, {"outcome", 5}};

} // namespace

TEST_SUITE_BEGIN("api/nydusctl/traced_requests");

TEST_CASE("a request comes back with its steps, and its fetches behind it") {
  const auto all = read({named, span("b", "READ", 10, "0x1", read_args), span("b", "cache", 11, "0x1"),
                         span("e", "cache", 19, "0x1"), span("e", "READ", 20, "0x1"),
                         span("b", "GETATTR", 30, "0x2", {{"inode", 1}}), span("e", "GETATTR", 31, "0x2"),
                         span("b", "fetch", 12, "0x1", fetch_args), span("b", "read", 13, "0x1"),
                         span("e", "read", 18, "0x1"), span("e", "fetch", 19, "0x1")});
  REQUIRE(all);
  REQUIRE(all->size() == 3);
  const auto& one = (*all)[0];
  CHECK(one.name == "READ");
  CHECK(one.mount == "/a");
  CHECK(one.place == "inode 7");
  CHECK(one.took == 10);
  REQUIRE(one.steps.size() == 1);
  CHECK(one.steps[0].name == "cache");
  CHECK(one.steps[0].took == 8);
  const auto& fetch = (*all)[1];
  CHECK(fetch.is_fetch());
  CHECK(fetch.place == "7334a2594e13 at 8192");
  CHECK(fetch.took == 7);
  CHECK((*all)[2].name == "GETATTR");
  const auto table = trace_table(*all);
  CHECK(table.find("cache 8 us") != std::string::npos);
  CHECK(table.find("  fetch") != std::string::npos);
  CHECK(table.find("Input/output error") != std::string::npos);
}

TEST_CASE("what has no end is under way, and an end without a beginning is passed over") {
  const auto all = read({span("e", "READ", 5, "0x9"), span("b", "READ", 10, "0x1", {{"inode", 7}})});
  REQUIRE(all);
  REQUIRE(all->size() == 1);
  CHECK_FALSE((*all)[0].took);
  CHECK((*all)[0].mount == "mount 3");
  CHECK(trace_table(*all).find("under way") != std::string::npos);
}

TEST_CASE("an answer that is no trace is refused") {
  CHECK_FALSE(read("none"));
  CHECK_FALSE(read({{{"ph", "b"}}}));
  CHECK_FALSE(read({7}));
}

TEST_SUITE_END();
