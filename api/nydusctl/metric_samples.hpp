// SPDX-License-Identifier: Apache-2.0
// GET /metrics read back: each series with its value. Pure. Neighbour: api/prometheus_format makes the names.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>

namespace nydus::ctl {

class metric_samples {
public:
  /// Lines that are no samples are passed over.
  explicit metric_samples(std::string_view text);

  /// 0 if there is none. `labels`: as api/prometheus_format writes them.
  double value(const std::string& name, const std::string& labels = {}) const;

private:
  std::unordered_map<std::string, double> by_series_;
};

} // namespace nydus::ctl
