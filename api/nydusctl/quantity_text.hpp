// SPDX-License-Identifier: Apache-2.0
// Numbers and tables for a reader's eye. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace nydus::ctl {

/// "0 B", "999 B", "4.0 KiB", "1.5 GiB".
std::string bytes_text(double bytes);
/// "12 us", "3.4 ms", "2.0 s".
std::string time_text(double microseconds);
/// "0", "12.5", "1234", "56.7k", "1.2M": a rate or a large count.
std::string rate_text(double number);

/// Columns as wide as their longest cell, two blanks between. `alignment`: 'l' or 'r' per column, those
/// beyond it flush right. Rows may be shorter than the first.
std::string table_text(const std::vector<std::vector<std::string>>& rows, std::string_view alignment = "l");

} // namespace nydus::ctl
