// SPDX-License-Identifier: Apache-2.0
// File names may hold any byte; a terminal and a log get them by these rules.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace nydus::builder {

/// Bytes of the UTF-8 character that `text` starts with; 0 if it starts with none. Overlong forms and
/// surrogates are none.
std::size_t utf8_length(std::string_view text) noexcept;

bool is_utf8(std::string_view text) noexcept;

/// `bytes` as one line that moves no cursor: control characters and what is no UTF-8 become \xNN.
std::string readable(std::string_view bytes);

} // namespace nydus::builder
