// SPDX-License-Identifier: Apache-2.0
// Prometheus's text format: families of samples with labels and histograms. Pure. Neighbour: prometheus_text
// says what is written with it.
#pragma once

#include <fmt/format.h>

#include <array>
#include <iterator>
#include <string>
#include <string_view>

#include "actors/mount_counters.hpp"

namespace nydus {

/// `text` as a label's value: backslash, quote and line end escaped; of what is no UTF-8, each byte beyond
/// ASCII becomes \\xNN.
std::string label_value(std::string_view text);
/// name="value", the value escaped.
std::string label(const char* name, std::string_view value);

constexpr std::size_t bucket_count = 8;
/// Upper ends, each within its bucket; the last bucket has none.
using bucket_ends = std::array<const char*, bucket_count - 1>;

/// Writes families: HELP and TYPE once, then the samples.
class exposition {
public:
  void family(std::string name, const char* type, const char* help) {
    name_ = std::move(name);
    fmt::format_to(std::back_inserter(text_), "# HELP {0} {2}\n# TYPE {0} {1}\n", name_, type, help);
  }

  /// `labels`: as they stand between the braces, values escaped; empty: none.
  template <class Number>
  void sample(const std::string& labels, Number value, const char* suffix = "") {
    const auto out = std::back_inserter(text_);
    if (labels.empty())
      fmt::format_to(out, "{}{} {}\n", name_, suffix, value);
    else
      fmt::format_to(out, "{}{}{{{}}} {}\n", name_, suffix, labels, value);
  }

  template <class Number>
  void single(const char* name, const char* type, const char* help, Number value) {
    family(name, type, help);
    sample({}, value);
  }

  void histogram(const std::string& labels, const bucket_ends& ends,
                 const std::array<counter, bucket_count>& buckets, double sum);

  std::string take() { return std::move(text_); }

private:
  std::string name_;
  std::string text_;
};

} // namespace nydus
