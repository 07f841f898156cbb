// SPDX-License-Identifier: Apache-2.0
// The files of api/trace_page, made part of the program when it is built (trace_page/embed.py).
#pragma once

#include <span>
#include <string_view>

namespace nydus::ctl {

struct page_file {
  std::string_view path; // "/" for index.html
  const char* content_type;
  std::string_view text;
};

std::span<const page_file> page_files();

} // namespace nydus::ctl
