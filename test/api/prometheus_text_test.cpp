// SPDX-License-Identifier: Apache-2.0
#include "api/prometheus_text.hpp"

#include <doctest/doctest.h>

#include <algorithm>

#include "actors/actor_census.hpp"
#include "actors/blob_fetcher.hpp"
#include "api/prometheus_format.hpp"

using namespace nydus;

namespace {

constexpr auto read_index = static_cast<std::size_t>(file_operation::read);

/// A mount of one blob whose counters the test may change.
struct counted_mount {
  std::shared_ptr<mount_counters> files = std::make_shared<mount_counters>();
  std::shared_ptr<cache_counters> cache = std::make_shared<cache_counters>();
  std::shared_ptr<backend_counters> backend = std::make_shared<backend_counters>();
  std::shared_ptr<cache_counters> blob = std::make_shared<cache_counters>();

  std::shared_ptr<const mount_record> record(const std::string& mountpoint) const {
    auto settings = std::make_shared<mount_settings>();
    settings->backend.kind = "localfs";
    auto one = std::make_shared<mount_record>();
    one->mountpoint = mountpoint;
    one->settings = settings;
    one->counters = files;
    one->cache = cache;
    one->blobs.push_back({nullptr, backend, blob});
    return one;
  }
};

bool has_line(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

std::size_t count_of(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size()))
    ++count;
  return count;
}

} // namespace

TEST_SUITE_BEGIN("api/prometheus_text");

TEST_CASE("counters of a mount are shown by its mountpoint and in the sums") {
  counted_mount one;
  one.files->hits[read_index] = 3;
  one.files->errors[read_index] = 1;
  one.files->data_read = 4096;
  one.files->latency_total[read_index] = 1'500'000;
  one.files->waiting_reads = 2;
  one.cache->reads = 3;
  one.cache->whole_hits = 2;
  running_parts running;
  running.mounts.mounts = {one.record("/a")};
  const auto text = prometheus_text{}.write(running, {});
  CHECK(has_line(text, "# TYPE nydus_mount_reads_total counter"));
  CHECK(count_of(text, "# HELP nydus_mount_reads_total ") == 1);
  CHECK(has_line(text, "nydus_mount_reads_total{mountpoint=\"/a\"} 3"));
  CHECK(has_line(text, "nydus_mount_read_errors_total{mountpoint=\"/a\"} 1"));
  CHECK(has_line(text, "nydus_mount_read_bytes_total{mountpoint=\"/a\"} 4096"));
  CHECK(has_line(text, "nydus_mount_read_seconds_total{mountpoint=\"/a\"} 1.5"));
  CHECK(has_line(text, "nydus_mount_waiting_reads{mountpoint=\"/a\"} 2"));
  CHECK(has_line(text, "nydus_operations_total{operation=\"read\"} 3"));
  CHECK(has_line(text, "nydus_operations_total{operation=\"lookup\"} 0"));
  CHECK(has_line(text, "nydus_cache_whole_hits_total 2"));
  CHECK(has_line(text, "nydus_mounts 1"));
}

TEST_CASE("histograms add up to +Inf and name their sum") {
  counted_mount one;
  one.files->read_latencies[0] = 5;
  one.files->read_latencies[2] = 2;
  one.files->read_latencies[7] = 1;
  one.files->latency_total[read_index] = 2'000'000;
  one.backend->latencies[1] = 4;
  one.backend->latency_total = 250;
  running_parts running;
  running.mounts.mounts = {one.record("/a")};
  const auto text = prometheus_text{}.write(running, {});
  CHECK(has_line(text, "# TYPE nydus_read_seconds histogram"));
  CHECK(has_line(text, "nydus_read_seconds_bucket{le=\"0.0002\"} 5"));
  CHECK(has_line(text, "nydus_read_seconds_bucket{le=\"0.001\"} 5"));
  CHECK(has_line(text, "nydus_read_seconds_bucket{le=\"0.02\"} 7"));
  CHECK(has_line(text, "nydus_read_seconds_bucket{le=\"2\"} 7"));
  CHECK(has_line(text, "nydus_read_seconds_bucket{le=\"+Inf\"} 8"));
  CHECK(has_line(text, "nydus_read_seconds_sum 2"));
  CHECK(has_line(text, "nydus_read_seconds_count 8"));
  CHECK(has_line(text, "nydus_backend_read_seconds_bucket{kind=\"localfs\",le=\"0.02\"} 4"));
  CHECK(has_line(text, "nydus_backend_read_seconds_sum{kind=\"localfs\"} 0.25"));
}

TEST_CASE(
    "sums never fall: what a mount had counted stays when it goes, and blobs that are shared count once") {
  counted_mount one, other;
  one.files->hits[read_index] = 10;
  other.files->hits[read_index] = 5;
  one.backend->reads = 7;
  other.backend = one.backend;
  prometheus_text prometheus;
  running_parts running;
  running.mounts.mounts = {one.record("/a"), other.record("/b")};
  const auto first = prometheus.write(running, {});
  CHECK(has_line(first, "nydus_operations_total{operation=\"read\"} 15"));
  CHECK(has_line(first, "nydus_backend_reads_total{kind=\"localfs\"} 7"));
  one.files->hits[read_index] = 12; // between two looks, and then it goes
  running.mounts.mounts = {other.record("/b")};
  for (int look = 0; look < 2; ++look) {
    const auto text = prometheus.write(running, {});
    CHECK(has_line(text, "nydus_operations_total{operation=\"read\"} 17"));
    CHECK(text.find("mountpoint=\"/a\"") == std::string::npos);
  }
  running.mounts.mounts.clear();
  const auto last = prometheus.write(running, {});
  CHECK(has_line(last, "nydus_operations_total{operation=\"read\"} 17"));
  CHECK(has_line(last, "nydus_backend_reads_total{kind=\"localfs\"} 7"));
}

TEST_CASE("actors are summed by kind, those that ended too") {
  const auto actor = [](std::uint64_t id, const std::string& kind, std::uint64_t handled) {
    auto one = std::make_shared<actor_counters>(id, kind, "x");
    one->received = handled + 2;
    one->handled = handled;
    one->deepest = 3 + id;
    one->busy = 500'000'000;
    return actor_facts{one, 0};
  };
  prometheus_text prometheus;
  running_parts running;
  running.actors.actors = {actor(1, "rafs_mount", 10), actor(2, "rafs_mount", 20), actor(3, "fuse_port", 1)};
  const auto text = prometheus.write(running, {});
  CHECK(has_line(text, "nydus_actors{kind=\"rafs_mount\"} 2"));
  CHECK(has_line(text, "nydus_actor_messages_total{kind=\"rafs_mount\"} 30"));
  CHECK(has_line(text, "nydus_actor_mailbox_messages{kind=\"rafs_mount\"} 4"));
  CHECK(has_line(text, "nydus_actor_mailbox_most_messages{kind=\"rafs_mount\"} 5"));
  CHECK(has_line(text, "nydus_actor_busy_seconds_total{kind=\"rafs_mount\"} 1"));
  running.actors.actors.erase(running.actors.actors.begin());
  running.actors.actors.pop_back();
  const auto later = prometheus.write(running, {});
  CHECK(has_line(later, "nydus_actors{kind=\"rafs_mount\"} 1"));
  CHECK(has_line(later, "nydus_actor_messages_total{kind=\"rafs_mount\"} 30"));
  CHECK(has_line(later, "nydus_actor_messages_total{kind=\"fuse_port\"} 1"));
}

TEST_CASE("backends of one name are one series, and the oldest read of them counts") {
  const auto backend = [](std::uint64_t under_way, std::uint64_t since) {
    auto one = std::make_shared<fetcher_counters>();
    one->name = "localfs /blobs";
    one->request_limit = 8;
    one->requests_under_way = under_way;
    one->oldest_under_way = since;
    return one;
  };
  running_parts running;
  running.now = 10'000'000'000;
  running.backends.backends = {backend(2, 7'000'000'000), backend(1, 0), backend(0, 11'000'000'000)};
  const auto text = prometheus_text{}.write(running, {});
  CHECK(has_line(text, "nydus_backend_requests_under_way{backend=\"localfs /blobs\"} 3"));
  CHECK(has_line(text, "nydus_backend_request_limit{backend=\"localfs /blobs\"} 24"));
  CHECK(has_line(text, "nydus_backend_oldest_seconds{backend=\"localfs /blobs\"} 3"));
}

TEST_CASE("requests in flight are counted, with the age of the oldest") {
  running_parts running;
  running.now = 5'000'000'000;
  inflight_list in_flight;
  in_flight.requests.resize(2);
  in_flight.requests[0].received = 4'500'000'000;
  in_flight.requests[1].received = 3'000'000'000;
  const auto text = prometheus_text{}.write(running, in_flight);
  CHECK(has_line(text, "nydus_requests_in_flight 2"));
  CHECK(has_line(text, "nydus_request_oldest_seconds 2"));
  CHECK(has_line(prometheus_text{}.write(running, {}), "nydus_request_oldest_seconds 0"));
}

TEST_CASE("no more than 1000 mounts have series of their own, and the sums count all") {
  counted_mount one;
  one.files->hits[read_index] = 1;
  counted_mount last;
  last.files->hits[read_index] = 5;
  running_parts running;
  for (std::size_t i = 0; i < 1500; ++i)
    running.mounts.mounts.push_back(one.record("/mount-" + std::to_string(1000 + i)));
  running.mounts.mounts.push_back(last.record("/zzz"));
  const auto text = prometheus_text{}.write(running, {});
  CHECK(count_of(text, "\nnydus_mount_reads_total{") == most_listed_mounts);
  CHECK(has_line(text, "nydus_mounts 1501"));
  CHECK(has_line(text, "nydus_mounts_listed 1000"));
  CHECK(has_line(text, "nydus_operations_total{operation=\"read\"} 6"));
  CHECK(text.size() < 1 << 20);
}

TEST_CASE("labels are escaped, whatever a mountpoint is called") {
  CHECK(label_value("/plain \xc3\xa4") == "/plain \xc3\xa4");
  CHECK(label_value("a\"b\\c\nd") == R"(a\"b\\c\nd)");
  CHECK(label_value("\xff\xc3\xa4") == R"(\\xff\\xc3\\xa4)");
  CHECK(label("mountpoint", "\"") == R"(mountpoint="\"")");
}

TEST_SUITE_END();
