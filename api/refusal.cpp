// SPDX-License-Identifier: Apache-2.0
#include "api/refusal.hpp"

#include <array>
#include <cstdio>

#include "api/json_text.hpp"

namespace nydus {

http_answer refusal(int status, const std::string& message) {
  return {status, error_text(message)};
}

std::string quoted(const std::string& text) {
  std::string safe = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      safe += '\\';
      safe += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      std::array<char, 8> escape{};
      std::snprintf(escape.data(), escape.size(), "\\x%02x", static_cast<unsigned>(c));
      safe += escape.data();
    } else {
      safe += c;
    }
  }
  return safe + '"';
}

std::string mount_words(const std::string& detail) {
  return "Mount(MountFilesystem(Other(" + quoted(detail) + ")))";
}

http_answer mount_refusal(const failure& why) {
  int status = 500;
  if (why.code == errc::not_supported || why.code == errc::not_ready || why.code == errc::backend_down ||
      why.code == errc::timed_out || why.code == errc::wrong_state)
    status = to_http_status(why.code);
  return refusal(status, mount_words(why.detail));
}

http_answer body_refusal(const std::string& detail) {
  return refusal(400, "ParseBody(Error(" + quoted(detail) + ", line: 1, column: 1))");
}

http_answer missing_field(const std::string& field) {
  return body_refusal("missing field `" + field + "`");
}

http_answer missing_parameter(const std::string& name) {
  return refusal(400, "QueryString(\"'" + name + "' should be specified in query string\")");
}

} // namespace nydus
