// SPDX-License-Identifier: Apache-2.0
#include "api/nydusctl/running.hpp"

#include <fmt/format.h>

#include "api/nydusctl/answer_reader.hpp"
#include "api/nydusctl/quantity_text.hpp"

namespace nydus::ctl {

namespace {

running_actor read_actor(answer_reader& from) {
  running_actor one;
  one.id = from.count("id");
  one.kind = from.text("kind");
  one.name = from.text("name");
  one.place = from.text("place");
  one.messages = from.count("messages");
  one.rate = from.number("rate");
  one.mailbox = from.count("mailbox");
  one.mailbox_most = from.count("mailbox_most");
  one.busy_us = from.count("busy_us");
  one.restarts = from.count("restarts");
  return one;
}

running_reactor read_reactor(answer_reader& from) {
  running_reactor one;
  one.name = from.text("name");
  one.rounds = from.count("rounds");
  one.resumptions = from.count("resumptions");
  one.wake_ups = from.count("wake_ups");
  one.busy_us = from.count("busy_us");
  one.longest_round_us = from.count("longest_round_us");
  return one;
}

running_backend read_backend(answer_reader& from) {
  running_backend one;
  one.name = from.text("name");
  one.requests = from.count("requests_under_way");
  one.request_limit = from.count("request_limit");
  one.bytes = from.count("bytes_under_way");
  one.byte_limit = from.count("byte_limit");
  one.queued = from.count("requests_queued");
  one.prefetch_queued = from.count("prefetch_queued");
  one.readers = from.count("readers");
  one.oldest_ms = from.count("oldest_ms");
  return one;
}

running_mount read_mount(answer_reader& from) {
  running_mount one;
  one.mountpoint = from.text("mountpoint");
  one.number = from.count("number");
  one.waiting_reads = from.count("waiting_reads");
  one.waiting_reads_limit = from.count("waiting_reads_limit");
  one.waiting_bytes = from.count("waiting_bytes");
  one.waiting_bytes_limit = from.count("waiting_bytes_limit");
  one.queued_reads = from.count("queued_reads");
  one.chunks_present = from.count("chunks_present");
  one.chunks = from.count("chunks");
  return one;
}

std::string of_text(std::uint64_t amount, std::uint64_t limit) {
  return fmt::format("{} of {}", amount, limit);
}

std::string bytes_of_text(std::uint64_t amount, std::uint64_t limit) {
  return bytes_text(static_cast<double>(amount)) + " of " + bytes_text(static_cast<double>(limit));
}

} // namespace

result<running> read_running(const config_value& answer) {
  answer_reader fields{answer};
  running seen;
  for (auto& one : fields.items("actors"))
    seen.actors.push_back(read_actor(one));
  for (auto& one : fields.items("reactors"))
    seen.reactors.push_back(read_reactor(one));
  for (auto& one : fields.items("backends"))
    seen.backends.push_back(read_backend(one));
  for (auto& one : fields.items("mounts"))
    seen.mounts.push_back(read_mount(one));
  if (!fields.outcome())
    return fields.outcome().error();
  return seen;
}

std::string fill_text(std::uint64_t present, std::uint64_t all) {
  if (all == 0)
    return "-";
  return fmt::format("{:.0f} %", 100 * static_cast<double>(present) / static_cast<double>(all));
}

std::string running_text(const running& seen) {
  using std::to_string;
  std::vector<std::vector<std::string>> rows;
  rows.push_back({"ACTOR", "NAME", "PLACE", "MESSAGES", "PER SECOND", "MAILBOX", "MOST", "BUSY", "RESTARTS"});
  for (const auto& one : seen.actors)
    rows.push_back({one.kind, one.name, one.place, to_string(one.messages), rate_text(one.rate),
                    to_string(one.mailbox), to_string(one.mailbox_most),
                    time_text(static_cast<double>(one.busy_us)), to_string(one.restarts)});
  auto text = table_text(rows, "lll") + '\n';

  rows = {{"REACTOR", "ROUNDS", "ACTORS RUN", "WAKE-UPS", "BUSY", "LONGEST ROUND"}};
  for (const auto& one : seen.reactors)
    rows.push_back({one.name, to_string(one.rounds), to_string(one.resumptions), to_string(one.wake_ups),
                    time_text(static_cast<double>(one.busy_us)),
                    time_text(static_cast<double>(one.longest_round_us))});
  text += table_text(rows) + '\n';

  rows = {{"BACKEND", "UNDER WAY", "BYTES", "QUEUED", "PREFETCH QUEUED", "READERS", "OLDEST"}};
  for (const auto& one : seen.backends)
    rows.push_back({one.name, of_text(one.requests, one.request_limit),
                    bytes_of_text(one.bytes, one.byte_limit), to_string(one.queued),
                    to_string(one.prefetch_queued), to_string(one.readers),
                    time_text(1000.0 * static_cast<double>(one.oldest_ms))});
  text += table_text(rows) + '\n';

  rows = {{"MOUNT", "NUMBER", "WAITING READS", "WAITING BYTES", "QUEUED", "CHUNKS", "CACHED"}};
  for (const auto& one : seen.mounts)
    rows.push_back({one.mountpoint, to_string(one.number),
                    of_text(one.waiting_reads, one.waiting_reads_limit),
                    bytes_of_text(one.waiting_bytes, one.waiting_bytes_limit), to_string(one.queued_reads),
                    of_text(one.chunks_present, one.chunks), fill_text(one.chunks_present, one.chunks)});
  return text + table_text(rows);
}

} // namespace nydus::ctl
