// SPDX-License-Identifier: Apache-2.0
#include "api/nydusctl/quantity_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace nydus::ctl {

namespace {

/// Code points: continuation bytes of UTF-8 take no column.
std::size_t width_of(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

} // namespace

std::string bytes_text(double bytes) {
  static constexpr std::array<const char*, 5> units{"B", "KiB", "MiB", "GiB", "TiB"};
  std::size_t unit = 0;
  while (bytes >= 1024 && unit + 1 < units.size()) {
    bytes /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{:.0f} B", bytes) : fmt::format("{:.1f} {}", bytes, units[unit]);
}

std::string time_text(double microseconds) {
  if (microseconds < 999.5) // what is shown as less than 1000
    return fmt::format("{:.0f} us", microseconds);
  if (microseconds < 999'950)
    return fmt::format("{:.1f} ms", microseconds / 1000);
  return fmt::format("{:.1f} s", microseconds / 1'000'000);
}

std::string rate_text(double number) {
  if (number == 0)
    return "0";
  if (number < 100)
    return fmt::format("{:.1f}", number);
  if (number < 10'000)
    return fmt::format("{:.0f}", number);
  if (number < 1'000'000)
    return fmt::format("{:.1f}k", number / 1000);
  return fmt::format("{:.1f}M", number / 1'000'000);
}

std::string table_text(const std::vector<std::vector<std::string>>& rows, std::string_view alignment) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (widths.size() == i)
        widths.push_back(0);
      widths[i] = std::max(widths[i], width_of(row[i]));
    }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string pad(widths[i] - width_of(row[i]), ' ');
      line +=
          (i == 0 ? "" : "  ") + (i < alignment.size() && alignment[i] == 'l' ? row[i] + pad : pad + row[i]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + '\n';
  }
  return text;
}

} // namespace nydus::ctl
