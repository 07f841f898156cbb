// SPDX-License-Identifier: Apache-2.0
#include "api/nydusctl/metrics_text.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "api/nydusctl/daemon_text.hpp"

using namespace nydus;
using namespace nydus::ctl;
using nlohmann::json;

namespace {

config_value value_of(const json& answer) {
  auto value = config_value::from_json(answer.dump());
  REQUIRE(value);
  return *value;
}

json fs_answer() {
  return {{"id", "/a"},
          {"nr_opens", 3},
          {"data_read", 2048},
          {"block_count_read", {1, 2, 3, 4, 5, 6, 7, 8}},
          {"fop_hits", {0, 1, 2, 3, 40, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14}},
          {"fop_errors", {0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
          {"fop_cumulative_latency_total", {0, 0, 0, 0, 8000, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
          {"read_latency_dist", {11, 0, 0, 0, 0, 0, 0, 12}}};
}

json backend_answer() {
  return {{"backend_type", "localfs"},
          {"read_amount_total", 1 << 20},
          {"read_count", 4},
          {"read_errors", 1},
          {"read_cumulative_latency_millis_total", 10},
          {"read_cumulative_latency_millis_dist", {4, 0, 0, 0, 0, 0, 0, 0}},
          {"read_count_block_size_dist", {0, 0, 0, 0, 4, 0, 0, 0}}};
}

json cache_answer() {
  return {{"partial_hits", 1},
          {"whole_hits", 2},
          {"total", 3},
          {"prefetch_data_amount", 1 << 20},
          {"prefetch_requests_count", 2},
          {"prefetch_workers", 8},
          {"prefetch_unmerged_chunks", 5},
          {"prefetch_cumulative_time_millis", 100},
          {"prefetch_begin_time_secs", 10},
          {"prefetch_begin_time_millis", 500},
          {"prefetch_end_time_secs", 11},
          {"prefetch_end_time_millis", 0},
          {"underlying_files", {"b10b.blob.data"}},
          {"store_path", "/cache"},
          {"buffered_backend_size", 0}};
}

bool holds(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

using category = show_metrics::category;

} // namespace

TEST_SUITE_BEGIN("api/nydusctl/metrics_text");

TEST_CASE("each category is asked where the daemon has it") {
  CHECK(metrics_target({category::fsstats, 0, {}}) == "/api/v1/metrics");
  CHECK(metrics_target({category::cache, 0, {}}) == "/api/v1/metrics/blobcache");
  CHECK(metrics_target({category::backend, 0, "/a b"}) == "/api/v1/metrics/backend?id=%2Fa%20b");
}

TEST_CASE("counters are shown under the public tool's names") {
  const auto files = metrics_text(category::fsstats, value_of(fs_answer()));
  REQUIRE(files);
  CHECK(holds(*files, "Read Errors: 9\n"));
  CHECK(holds(*files, "Read Data: 2048Bytes"));
  CHECK(holds(*files, "Read Average Latency: 200 us"));
  CHECK(holds(*files, "Getattr(0) Readlink(1) Open(2) Release(3) Read(40)"));
  CHECK(holds(*files, "Forget(13) BatchForget(14)\n"));
  const auto cache = metrics_text(category::cache, value_of(cache_answer()));
  REQUIRE(cache);
  CHECK(holds(*cache, "Whole Hits:                 2\n"));
  CHECK(holds(*cache, "Files:                      b10b.blob.data\n"));
  CHECK(holds(*cache, "Prefetch Duration:          0.500 Seconds\n"));
  CHECK(holds(*cache, "Prefetch Bandwidth:         2.0 MB/S\n"));
  const auto backend = metrics_text(category::backend, value_of(backend_answer()));
  REQUIRE(backend);
  CHECK(holds(*backend, "Backend Type:       localfs\n"));
  CHECK(holds(*backend, "Average Latency:    2.5 ms\n"));
}

TEST_CASE("rates are those between two answers, also when a mount began anew") {
  auto later = backend_answer();
  later["read_amount_total"] = 3 << 20;
  later["read_count"] = 8;
  later["read_cumulative_latency_millis_total"] = 50;
  const auto text = metrics_rate_text(category::backend, value_of(backend_answer()), value_of(later), 2);
  REQUIRE(text);
  CHECK(holds(*text, "Backend Read Bandwidth:     1.0 MiB/s\n"));
  CHECK(holds(*text, "Backend Average IO Size:    512.0 KiB\n"));
  CHECK(holds(*text, "Backend Average Latency:    10.0 ms\n"));
  auto anew = fs_answer();
  anew["data_read"] = 1024;
  const auto files = metrics_rate_text(category::fsstats, value_of(fs_answer()), value_of(anew), 1);
  REQUIRE(files);
  CHECK(holds(*files, "Read Data: 1.0 KiB/s"));
  REQUIRE(metrics_rate_text(category::cache, value_of(cache_answer()), value_of(cache_answer()), 1));
}

TEST_CASE("an answer that lacks a field, or has it of another kind, is refused by its name") {
  for (const auto& [name, what] :
       std::vector<std::pair<std::string, category>>{{"fop_hits", category::fsstats},
                                                     {"whole_hits", category::cache},
                                                     {"read_count", category::backend}}) {
    auto answer = what == category::fsstats ? fs_answer()
                  : what == category::cache ? cache_answer()
                                            : backend_answer();
    answer.erase(name);
    const auto missing = metrics_text(what, value_of(answer));
    REQUIRE_FALSE(missing);
    CHECK(holds(missing.error().detail, name + " is missing"));
    answer[name] = "many";
    const auto wrong = metrics_text(what, value_of(answer));
    REQUIRE_FALSE(wrong);
    CHECK(holds(wrong.error().detail, name + " is string \"many\""));
  }
  auto answer = fs_answer();
  answer["read_latency_dist"] = {1, 2};
  CHECK_FALSE(metrics_text(category::fsstats, value_of(answer)));
  CHECK_FALSE(metrics_text(category::fsstats, value_of(json::array())));
}

TEST_CASE("the daemon is shown with its mounts") {
  json answer{{"version", {{"package_ver", "1.2"}, {"git_commit", "abc"}, {"profile", "release"}}},
              {"id", nullptr},
              {"state", "RUNNING"},
              {"backend_collection",
               {{"/a\x1b[2J",
                 {{"backend_type", "Rafs"},
                  {"mounted_time", "today"},
                  {"config",
                   {{"rafs", {{"mode", "direct"}}},
                    {"cache", {{"prefetch", {{"enable", true}, {"batch_size", 7}}}}}}}}}}}};
  const auto text = daemon_text(value_of(answer));
  REQUIRE(text);
  CHECK(holds(*text, "Version:                1.2\nStatus:                 RUNNING\n"));
  CHECK(holds(*text, "\tInstance Mountpoint:  /a?[2J\n")); // nothing that steers a terminal
  CHECK(holds(*text, "\tPrefetch:  true\n\tPrefetch Merging Size:  7\n"));
  answer["backend_collection"] = nullptr;
  CHECK(daemon_text(value_of(answer)));
  answer.erase("state");
  CHECK_FALSE(daemon_text(value_of(answer)));
}

TEST_SUITE_END();
