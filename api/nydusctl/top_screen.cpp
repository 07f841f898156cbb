// SPDX-License-Identifier: Apache-2.0
#include "api/nydusctl/top_screen.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "api/nydusctl/quantity_text.hpp"
#include "api/prometheus_format.hpp"

namespace nydus::ctl {

namespace {

using rows = std::vector<std::vector<std::string>>;

/// Rates between two looks.
class change {
public:
  change(const daemon_look& before, const daemon_look& now)
      : before_(before.samples), now_(now.samples), seconds_(std::max(now.at - before.at, 1e-3)) {}

  double grown(const std::string& name, const std::string& labels = {}) const {
    return std::max(now_.value(name, labels) - before_.value(name, labels), 0.0);
  }
  double rate(const std::string& name, const std::string& labels = {}) const {
    return grown(name, labels) / seconds_;
  }
  /// Of `sum` per `count` that came since; in microseconds, if `sum` is in seconds.
  double average_micros(const std::string& sum, const std::string& count,
                        const std::string& labels = {}) const {
    const auto many = grown(count, labels);
    return many == 0 ? 0 : 1e6 * grown(sum, labels) / many;
  }
  double seconds() const noexcept { return seconds_; }

private:
  const metric_samples& before_;
  const metric_samples& now_;
  double seconds_;
};

std::string totals_line(const daemon_look& now, const change& since) {
  const auto reads = since.grown("nydus_cache_reads_total");
  const auto hits = since.grown("nydus_cache_whole_hits_total");
  return fmt::format(
      "{} mounts, {} actors   reads {}/s, {}/s, average {}   from cache {}   in flight {:.0f}, "
      "oldest {}",
      now.seen.mounts.size(), now.seen.actors.size(), rate_text(since.rate("nydus_read_seconds_count")),
      bytes_text(since.rate("nydus_read_bytes_sum")),
      time_text(since.average_micros("nydus_read_seconds_sum", "nydus_read_seconds_count")),
      reads == 0 ? "-" : fmt::format("{:.0f} %", 100 * hits / reads),
      now.samples.value("nydus_requests_in_flight"),
      time_text(1e6 * now.samples.value("nydus_request_oldest_seconds")));
}

rows reactor_rows(const daemon_look& now, const change& since) {
  rows all{{"REACTOR", "BUSY", "ROUNDS/s", "ACTORS RUN/s", "WAKE-UPS/s", "LONGEST ROUND"}};
  for (const auto& one : now.seen.reactors) {
    const auto labels = label("reactor", one.name);
    all.push_back({one.name,
                   fmt::format("{:.0f} %", 100 * since.rate("nydus_reactor_busy_seconds_total", labels)),
                   rate_text(since.rate("nydus_reactor_rounds_total", labels)),
                   rate_text(since.rate("nydus_reactor_resumptions_total", labels)),
                   rate_text(since.rate("nydus_reactor_wake_ups_total", labels)),
                   time_text(static_cast<double>(one.longest_round_us))});
  }
  return all;
}

/// Those that read most first; then those where something waits.
rows mount_rows(const daemon_look& now, const change& since) {
  struct busy_mount {
    double rate;
    const running_mount* mount;
  };
  std::vector<busy_mount> order;
  for (const auto& one : now.seen.mounts)
    order.push_back({since.rate("nydus_mount_reads_total", label("mountpoint", one.mountpoint)), &one});
  std::stable_sort(order.begin(), order.end(), [](const busy_mount& a, const busy_mount& b) {
    return std::pair{a.rate, a.mount->waiting_reads} > std::pair{b.rate, b.mount->waiting_reads};
  });
  rows all{{"MOUNT", "READS/s", "BYTES/s", "AVERAGE", "ERRORS/s", "WAITING", "QUEUED", "CACHED"}};
  for (const auto& [rate, mount] : order) {
    const auto labels = label("mountpoint", mount->mountpoint);
    all.push_back(
        {mount->mountpoint, rate_text(rate), bytes_text(since.rate("nydus_mount_read_bytes_total", labels)),
         time_text(since.average_micros("nydus_mount_read_seconds_total", "nydus_mount_reads_total", labels)),
         rate_text(since.rate("nydus_mount_read_errors_total", labels)),
         fmt::format("{} of {}", mount->waiting_reads, mount->waiting_reads_limit),
         std::to_string(mount->queued_reads), fill_text(mount->chunks_present, mount->chunks)});
  }
  return all;
}

rows backend_rows(const daemon_look& now) {
  rows all{{"BACKEND", "UNDER WAY", "BYTES", "QUEUED", "PREFETCH", "READERS", "OLDEST"}};
  for (const auto& one : now.seen.backends)
    all.push_back({one.name, fmt::format("{} of {}", one.requests, one.request_limit),
                   bytes_text(static_cast<double>(one.bytes)), std::to_string(one.queued),
                   std::to_string(one.prefetch_queued), std::to_string(one.readers),
                   time_text(1000.0 * static_cast<double>(one.oldest_ms))});
  return all;
}

rows slow_rows(const daemon_look& now) {
  rows all{{"SLOWEST", "MOUNT", "OF", "SIZE", "TOOK", "MOST OF IT"}};
  for (const auto& one : now.slowest) {
    if (one.is_fetch())
      continue;
    const auto longest =
        std::max_element(one.steps.begin(), one.steps.end(),
                         [](const traced_step& a, const traced_step& b) { return a.took < b.took; });
    all.push_back({one.name, one.mount, one.place, bytes_text(static_cast<double>(one.size)),
                   one.took ? time_text(*one.took) : "under way",
                   longest == one.steps.end() ? "-" : longest->name + " " + time_text(longest->took)});
  }
  return all;
}

rows kind_rows(const daemon_look& before, const daemon_look& now, const change& since) {
  struct kind_sum {
    std::uint64_t count = 0, mailbox = 0, deepest = 0, busy_us = 0, messages = 0;
  };
  const auto sums_of = [](const daemon_look& look) {
    std::map<std::string, kind_sum> sums;
    for (const auto& one : look.seen.actors) {
      auto& sum = sums[one.kind];
      ++sum.count;
      sum.mailbox += one.mailbox;
      sum.deepest = std::max(sum.deepest, one.mailbox_most);
      sum.busy_us += one.busy_us;
      sum.messages += one.messages;
    }
    return sums;
  };
  auto old = sums_of(before);
  const auto per_second = [&](std::uint64_t then, std::uint64_t later) {
    return later > then ? static_cast<double>(later - then) / since.seconds() : 0;
  };
  rows all{{"ACTORS", "COUNT", "MESSAGES/s", "MAILBOX", "MOST", "BUSY"}};
  for (const auto& [kind, sum] : sums_of(now))
    all.push_back({kind, std::to_string(sum.count), rate_text(per_second(old[kind].messages, sum.messages)),
                   std::to_string(sum.mailbox), std::to_string(sum.deepest),
                   fmt::format("{:.0f} %", per_second(old[kind].busy_us, sum.busy_us) / 1e4)});
  return all;
}

/// Appends the heading and at most `most` rows, and how many there are beyond.
void append(std::vector<std::string>& lines, rows table, std::size_t most, std::string_view alignment) {
  const auto count = table.size() - 1;
  if (count > most)
    table.resize(most + 1);
  const auto text = table_text(table, alignment);
  lines.emplace_back();
  for (std::size_t start = 0; start < text.size();) {
    const auto end = text.find('\n', start);
    lines.push_back(text.substr(start, end - start));
    start = end + 1;
  }
  if (count > most)
    lines.push_back(fmt::format("... and {} more", count - most));
}

} // namespace

std::vector<std::string> top_screen(const daemon_look& before, const daemon_look& now, std::size_t height) {
  const change since{before, now};
  std::vector<std::string> lines{totals_line(now, since)};
  // Mounts and slow requests share what the short tables leave.
  const auto reactors = reactor_rows(now, since);
  const auto kinds = kind_rows(before, now, since);
  constexpr std::size_t frames = 13; // the first line, and blank, heading and "more" of five tables less two
  const auto taken = frames + reactors.size() + kinds.size();
  const auto left = height > taken ? height - taken : 0;
  append(lines, reactors, reactors.size(), "l");
  append(lines, mount_rows(now, since), std::max<std::size_t>(left / 2, 3), "l");
  append(lines, backend_rows(now), std::max<std::size_t>(left / 8, 2), "l");
  append(lines, slow_rows(now), std::max<std::size_t>(left / 4, 3), "lllrrl");
  append(lines, kinds, kinds.size(), "l");
  if (lines.size() > height)
    lines.resize(height);
  return lines;
}

} // namespace nydus::ctl
