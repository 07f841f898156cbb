// SPDX-License-Identifier: Apache-2.0
// Property: no answer of a daemon crashes nydusctl, a refused one comes with a reason, and what a terminal
// gets has no control characters but ends of lines and tabs. Answers are the input itself, or a good one with
// a part of it replaced by the input: each decoder asks for more fields than chance would bring together.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "api/nydusctl/daemon_text.hpp"
#include "api/nydusctl/metric_samples.hpp"
#include "api/nydusctl/metrics_text.hpp"
#include "api/nydusctl/running.hpp"
#include "api/nydusctl/traced_requests.hpp"

namespace {

using namespace nydus;
using namespace nydus::ctl;
using category = show_metrics::category;

constexpr std::array<std::string_view, 6> good_answers{
    R"({"actors":[{"id":1,"kind":"rafs_mount","name":"/a","place":"pool","messages":2,"rate":0.5,"mailbox":0,)"
    R"("mailbox_most":1,"busy_us":9,"restarts":0}],"reactors":[{"name":"reactor-0","rounds":1,"resumptions":2,)"
    R"("wake_ups":3,"busy_us":4,"longest_round_us":5}],"backends":[{"name":"localfs /b","requests_under_way":1,)"
    R"("request_limit":8,"bytes_under_way":4096,"byte_limit":65536,"requests_queued":0,"prefetch_queued":0,)"
    R"("readers":1,"oldest_ms":3}],"mounts":[{"mountpoint":"/a","number":1,"waiting_reads":1,)"
    R"("waiting_reads_limit":64,"waiting_bytes":4096,"waiting_bytes_limit":65536,"queued_reads":0,)"
    R"("chunks_present":3,"chunks":4}]})",
    R"({"traceEvents":[{"ph":"M","name":"process_name","pid":1,"args":{"name":"/a"}},{"ph":"b","name":"READ",)"
    R"("cat":"request","ts":10,"id":"0x1","pid":1,"tid":0,"args":{"inode":7,"size":4096,"outcome":5}},)"
    R"({"ph":"b","name":"cache","cat":"request","ts":11,"id":"0x1","pid":1,"tid":0},{"ph":"e","name":"cache",)"
    R"("cat":"request","ts":19,"id":"0x1","pid":1,"tid":0},{"ph":"b","name":"fetch","cat":"request","ts":12,)"
    R"("id":"0x1","pid":1,"tid":0,"args":{"blob":"7334a2594e133cf8","offset":8192,"size":100,"outcome":0}},)"
    R"({"ph":"e","name":"fetch","cat":"request","ts":18,"id":"0x1","pid":1,"tid":0},{"ph":"e","name":"READ",)"
    R"("cat":"request","ts":20,"id":"0x1","pid":1,"tid":0}]})",
    R"({"id":"/a","nr_opens":3,"data_read":2048,"block_count_read":[1,2,3,4,5,6,7,8],)"
    R"("fop_hits":[0,1,2,3,40,5,6,7,8,9,10,11,12,13,14],"fop_errors":[0,0,0,0,9,0,0,0,0,0,0,0,0,0,0],)"
    R"("fop_cumulative_latency_total":[0,0,0,0,8000,0,0,0,0,0,0,0,0,0,0],)"
    R"("read_latency_dist":[11,0,0,0,0,0,0,12]})",
    R"({"backend_type":"localfs","read_amount_total":1048576,"read_count":4,"read_errors":1,)"
    R"("read_cumulative_latency_millis_total":10,"read_cumulative_latency_millis_dist":[4,0,0,0,0,0,0,0],)"
    R"("read_count_block_size_dist":[0,0,0,0,4,0,0,0]})",
    R"({"partial_hits":1,"whole_hits":2,"total":3,"prefetch_data_amount":1048576,"prefetch_requests_count":2,)"
    R"("prefetch_workers":8,"prefetch_unmerged_chunks":5,"prefetch_cumulative_time_millis":100,)"
    R"("prefetch_begin_time_secs":10,"prefetch_begin_time_millis":500,"prefetch_end_time_secs":11,)"
    R"("prefetch_end_time_millis":0,"underlying_files":["b10b.blob.data"],"store_path":"/cache",)"
    R"("buffered_backend_size":0})",
    R"({"id":"d1","version":{"package_ver":"1","git_commit":"c","build_time":"t","profile":"release",)"
    R"("rustc":"r"},"state":"RUNNING","backend_collection":{"/a":{"mountpoint":"/a","backend_type":"Rafs",)"
    R"("mounted_time":"1970","config":{"rafs":{"mode":"direct"},"cache":{"prefetch":{"enable":true,)"
    R"("batch_size":1048576}}}}}})",
};

/// The input's first bytes choose an answer and a part of it; the others take its place.
std::string answer_from(std::string_view input) {
  if (input.size() < 4 || static_cast<unsigned char>(input[0]) >= good_answers.size())
    return std::string{input};
  const auto byte = [&](std::size_t at) {
    return static_cast<std::size_t>(static_cast<unsigned char>(input[at]));
  };
  std::string answer{good_answers[byte(0)]};
  const auto from = (byte(1) << 8 | byte(2)) % (answer.size() + 1);
  return answer.replace(from, std::min(byte(3), answer.size() - from), input.substr(4));
}

template <class Value>
void must_have_reason(const result<Value>& outcome) {
  if (!outcome && outcome.error().detail.empty())
    std::abort();
}

void must_be_printable(const std::string& text) {
  if (std::any_of(text.begin(), text.end(), [](char c) {
        return (static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t') || c == 0x7f;
      }))
    std::abort();
}

void must_be_readable(const result<std::string>& text) {
  must_have_reason(text);
  if (text)
    must_be_printable(*text);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = answer_from({reinterpret_cast<const char*>(data), size});
  (void) metric_samples{text}.value("nydus_mounts");
  const auto answer = config_value::from_json(text);
  if (!answer)
    return 0;
  const auto seen = read_running(*answer);
  must_have_reason(seen);
  if (seen)
    must_be_printable(running_text(*seen));
  const auto trace = read_trace(*answer);
  must_have_reason(trace);
  if (trace)
    must_be_printable(trace_table(*trace));
  must_be_readable(daemon_text(*answer));
  for (const auto what : {category::backend, category::cache, category::fsstats}) {
    must_be_readable(metrics_text(what, *answer));
    must_be_readable(metrics_rate_text(what, *answer, *answer, 1));
  }
  return 0;
}
