// SPDX-License-Identifier: Apache-2.0
#include "api/prometheus_format.hpp"

#include <simdjson.h>

namespace nydus {

std::string label_value(std::string_view text) {
  const bool is_text = simdjson::validate_utf8(text.data(), text.size());
  std::string out;
  for (const char c : text) {
    if (c == '\\' || c == '"')
      (out += '\\') += c;
    else if (c == '\n')
      out += "\\n";
    else if (!is_text && static_cast<unsigned char>(c) >= 0x80)
      out += fmt::format("\\\\x{:02x}", static_cast<unsigned char>(c));
    else
      out += c;
  }
  return out;
}

std::string label(const char* name, std::string_view value) {
  return fmt::format("{}=\"{}\"", name, label_value(value));
}

void exposition::histogram(const std::string& labels, const bucket_ends& ends,
                           const std::array<counter, bucket_count>& buckets, double sum) {
  const auto before = labels.empty() ? labels : labels + ",";
  std::uint64_t up_to = 0;
  for (std::size_t i = 0; i < bucket_count; ++i) {
    up_to += buckets[i];
    sample(fmt::format("{}le=\"{}\"", before, i < ends.size() ? ends[i] : "+Inf"), up_to, "_bucket");
  }
  sample(labels, sum, "_sum");
  sample(labels, up_to, "_count");
}

} // namespace nydus
