// SPDX-License-Identifier: Apache-2.0
#include "api/nydusctl/metrics_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>

#include "api/nydusctl/answer_reader.hpp"
#include "api/nydusctl/daemon_client.hpp"
#include "api/nydusctl/quantity_text.hpp"

namespace nydus::ctl {

namespace {

using category = show_metrics::category;
using counts = std::vector<std::uint64_t>;

constexpr std::size_t bucket_count = 8;
constexpr std::array<const char*, bucket_count> size_names{"<1K",  "1K~",   "4K~",   "16K~",
                                                           "64K~", "128K~", "512K~", "1M~"};
constexpr std::array<const char*, bucket_count> read_time_names{"<=200us", "~1ms", "~20ms", "~50ms",
                                                                "~500ms",  "~1s",  "~2s",   "2s~"};
constexpr std::array<const char*, bucket_count> backend_time_names{"<=1ms",  "~20ms", "~50ms", "~100ms",
                                                                   "~500ms", "~1s",   "~2s",   "2s~"};
/// In the order of the API's fop_ lists.
constexpr std::array<const char*, 15> operation_names{
    "Getattr", "Readlink", "Open",    "Release",     "Read",   "Statfs", "Getxattr",   "Listxattr",
    "Opendir", "Lookup",   "Readdir", "Readdirplus", "Access", "Forget", "BatchForget"};
constexpr std::size_t read_index = 4;

template <std::size_t Size>
std::string histogram_text(const std::string& title, const std::array<const char*, Size>& names,
                           const std::string& count_title, const counts& values) {
  std::vector<std::vector<std::string>> rows{{title}, {count_title}};
  for (std::size_t i = 0; i < Size; ++i) {
    rows[0].emplace_back(names[i]);
    rows[1].push_back(std::to_string(values[i]));
  }
  return table_text(rows);
}

/// Never below zero: counters start anew when an image is mounted again.
std::uint64_t grown(std::uint64_t before, std::uint64_t after) {
  return after > before ? after - before : after == before ? 0 : after;
}

double ratio(std::uint64_t amount, std::uint64_t of) {
  return of == 0 ? 0 : static_cast<double>(amount) / static_cast<double>(of);
}

// -- fsstats -------------------------------------------------------------------

struct fs_counters {
  explicit fs_counters(answer_reader& fields)
      : opens(fields.count("nr_opens")), data_read(fields.count("data_read")),
        hits(fields.counts("fop_hits", operation_names.size())),
        errors(fields.counts("fop_errors", operation_names.size())),
        latency_total(fields.counts("fop_cumulative_latency_total", operation_names.size())),
        read_sizes(fields.counts("block_count_read", bucket_count)),
        read_latencies(fields.counts("read_latency_dist", bucket_count)) {}
  std::uint64_t opens, data_read;
  counts hits, errors, latency_total, read_sizes, read_latencies;
};

std::string fs_text(answer_reader& fields) {
  const fs_counters now{fields};
  auto text = histogram_text("Read Latency:", read_time_names, "Reads Count:", now.read_latencies) + '\n' +
              histogram_text("Read Sizes:", size_names, "Reads Count:", now.read_sizes) + '\n';
  text += fmt::format("Mount: {}\nOpens: {}\nRead Errors: {}\nRead Data: {}Bytes ({})\n", fields.text("id"),
                      now.opens, now.errors[read_index], now.data_read,
                      bytes_text(static_cast<double>(now.data_read)));
  text += fmt::format("Read Average Latency: {}\n\nFOP Counters:\n",
                      time_text(ratio(now.latency_total[read_index], now.hits[read_index])));
  for (std::size_t i = 0; i < operation_names.size(); ++i)
    text += fmt::format("{}({}){}", operation_names[i], now.hits[i],
                        i == 7 || i + 1 == operation_names.size() ? '\n' : ' ');
  return text;
}

std::string fs_rate_text(answer_reader& old_fields, answer_reader& new_fields, double seconds) {
  const fs_counters before{old_fields};
  const fs_counters after{new_fields};
  const auto reads = grown(before.hits[read_index], after.hits[read_index]);
  const auto operations = grown(std::accumulate(before.hits.begin(), before.hits.end(), std::uint64_t{0}),
                                std::accumulate(after.hits.begin(), after.hits.end(), std::uint64_t{0}));
  return fmt::format(
      "Operations: {}/s  Reads: {}/s  Read Data: {}/s  Read Average Latency: {}  Read Errors: {}\n",
      rate_text(static_cast<double>(operations) / seconds), rate_text(static_cast<double>(reads) / seconds),
      bytes_text(static_cast<double>(grown(before.data_read, after.data_read)) / seconds),
      time_text(ratio(grown(before.latency_total[read_index], after.latency_total[read_index]), reads)),
      grown(before.errors[read_index], after.errors[read_index]));
}

// -- cache ---------------------------------------------------------------------

struct cache_counters {
  explicit cache_counters(answer_reader& fields)
      : partial_hits(fields.count("partial_hits")), whole_hits(fields.count("whole_hits")),
        total(fields.count("total")), prefetched(fields.count("prefetch_data_amount")),
        requests(fields.count("prefetch_requests_count")) {}
  std::uint64_t partial_hits, whole_hits, total, prefetched, requests;
};

std::string cache_text(answer_reader& fields) {
  const cache_counters now{fields};
  const auto stamp = [&](const std::string& when) {
    return static_cast<double>(fields.count("prefetch_" + when + "_time_secs")) +
           static_cast<double>(fields.count("prefetch_" + when + "_time_millis")) / 1000;
  };
  const auto seconds = std::max(stamp("end") - stamp("begin"), 0.0);
  std::string files;
  for (const auto& name : fields.texts("underlying_files"))
    files += (files.empty() ? "" : " ") + name;
  auto text = fmt::format("Partial Hits:               {}\n"
                          "Whole Hits:                 {}\n"
                          "Total Read:                 {}\n"
                          "Directory:                  {}\n"
                          "Files:                      {}\n"
                          "Persister Buffer:           {}\n\n",
                          now.partial_hits, now.whole_hits, now.total, fields.text("store_path"), files,
                          fields.count("buffered_backend_size"));
  text += fmt::format("Prefetch Workers:           {}\n"
                      "Prefetch Amount:            {} = {}\n"
                      "Prefetch Requests:          {}\n"
                      "Prefetch Average Size:      {:.0f} Bytes\n"
                      "Prefetch Duration:          {:.3f} Seconds\n"
                      "Prefetch Bandwidth:         {:.1f} MB/S\n"
                      "Prefetch Request Latency:   {:.6f} Seconds\n"
                      "Prefetch Unmerged:          {}\n",
                      fields.count("prefetch_workers"), now.prefetched,
                      bytes_text(static_cast<double>(now.prefetched)), now.requests,
                      ratio(now.prefetched, now.requests), seconds,
                      seconds > 0 ? static_cast<double>(now.prefetched) / seconds / (1 << 20) : 0.0,
                      ratio(fields.count("prefetch_cumulative_time_millis"), now.requests) / 1000,
                      fields.count("prefetch_unmerged_chunks"));
  return text;
}

std::string cache_rate_text(answer_reader& old_fields, answer_reader& new_fields, double seconds) {
  const cache_counters before{old_fields};
  const cache_counters after{new_fields};
  const auto reads = grown(before.total, after.total);
  return fmt::format("Reads: {}/s  Whole Hits: {:.1f}%  Prefetched: {}/s\n",
                     rate_text(static_cast<double>(reads) / seconds),
                     100 * ratio(grown(before.whole_hits, after.whole_hits), reads),
                     bytes_text(static_cast<double>(grown(before.prefetched, after.prefetched)) / seconds));
}

// -- backend -------------------------------------------------------------------

struct backend_counters {
  explicit backend_counters(answer_reader& fields)
      : reads(fields.count("read_count")), errors(fields.count("read_errors")),
        bytes(fields.count("read_amount_total")),
        latency_total(fields.count("read_cumulative_latency_millis_total")),
        latencies(fields.counts("read_cumulative_latency_millis_dist", bucket_count)),
        sizes(fields.counts("read_count_block_size_dist", bucket_count)) {}
  std::uint64_t reads, errors, bytes, latency_total;
  counts latencies, sizes;
};

std::string backend_text(answer_reader& fields) {
  const backend_counters now{fields};
  return fmt::format("Backend Type:       {}\n"
                     "Read Amount:        {} Bytes ({})\n"
                     "Read Count:         {}\n"
                     "Read Errors:        {}\n"
                     "Average Latency:    {}\n\n",
                     fields.text("backend_type"), now.bytes, bytes_text(static_cast<double>(now.bytes)),
                     now.reads, now.errors, time_text(1000 * ratio(now.latency_total, now.reads))) +
         histogram_text("Block Sizes:", size_names, "Request Count:", now.sizes) + '\n' +
         histogram_text("Latency:", backend_time_names, "Request Count:", now.latencies);
}

std::string backend_rate_text(answer_reader& old_fields, answer_reader& new_fields, double seconds) {
  const backend_counters before{old_fields};
  const backend_counters after{new_fields};
  const auto reads = grown(before.reads, after.reads);
  const auto bytes = grown(before.bytes, after.bytes);
  auto text = fmt::format("Backend Read Bandwidth:     {}/s\n"
                          "Backend Average IO Size:    {}\n"
                          "Backend Average Latency:    {}\n",
                          bytes_text(static_cast<double>(bytes) / seconds), bytes_text(ratio(bytes, reads)),
                          time_text(1000 * ratio(grown(before.latency_total, after.latency_total), reads)));
  counts sizes(bucket_count);
  for (std::size_t i = 0; i < bucket_count; ++i)
    sizes[i] = grown(before.sizes[i], after.sizes[i]);
  return text + histogram_text("Block Sizes:", size_names, "Request Count:", sizes);
}

} // namespace

std::string metrics_target(const show_metrics& asked) {
  std::string target = "/api/v1/metrics";
  if (asked.what == category::backend)
    target += "/backend";
  else if (asked.what == category::cache)
    target += "/blobcache";
  if (!asked.mount.empty())
    target += "?id=" + encoded(asked.mount);
  return target;
}

result<std::string> metrics_text(category what, const config_value& answer) {
  answer_reader fields{answer};
  std::string text;
  switch (what) {
  case category::backend:
    text = backend_text(fields);
    break;
  case category::cache:
    text = cache_text(fields);
    break;
  case category::fsstats:
    text = fs_text(fields);
    break;
  }
  if (!fields.outcome())
    return fields.outcome().error();
  return text;
}

result<std::string> metrics_rate_text(category what, const config_value& before, const config_value& after,
                                      double seconds) {
  answer_reader old_fields{before};
  answer_reader new_fields{after};
  std::string text;
  switch (what) {
  case category::backend:
    text = backend_rate_text(old_fields, new_fields, seconds);
    break;
  case category::cache:
    text = cache_rate_text(old_fields, new_fields, seconds);
    break;
  case category::fsstats:
    text = fs_rate_text(old_fields, new_fields, seconds);
    break;
  }
  for (const auto* fields : {&old_fields, &new_fields})
    if (!fields->outcome())
      return fields->outcome().error();
  return text;
}

} // namespace nydus::ctl
