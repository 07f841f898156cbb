// SPDX-License-Identifier: Apache-2.0
#include "api/nydusctl/metric_samples.hpp"

#include <charconv>

namespace nydus::ctl {

metric_samples::metric_samples(std::string_view text) {
  while (!text.empty()) {
    const auto line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    const auto space = line.rfind(' ');
    if (line.empty() || line.front() == '#' || space == std::string_view::npos)
      continue;
    double value = 0;
    const auto* end = line.data() + line.size();
    if (const auto read = std::from_chars(line.data() + space + 1, end, value);
        read.ec == std::errc{} && read.ptr == end)
      by_series_.emplace(line.substr(0, space), value);
  }
}

double metric_samples::value(const std::string& name, const std::string& labels) const {
  const auto found = by_series_.find(labels.empty() ? name : name + "{" + labels + "}");
  return found == by_series_.end() ? 0 : found->second;
}

} // namespace nydus::ctl
