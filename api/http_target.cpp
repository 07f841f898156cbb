// SPDX-License-Identifier: Apache-2.0
#include "api/http_target.hpp"

#include <optional>

namespace nydus {

namespace {

std::optional<unsigned> hex_digit(char c) {
  if (c >= '0' && c <= '9')
    return static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f')
    return static_cast<unsigned>(c - 'a') + 10;
  if (c >= 'A' && c <= 'F')
    return static_cast<unsigned>(c - 'A') + 10;
  return std::nullopt;
}

std::string decoded(std::string_view text) {
  std::string plain;
  plain.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && text.size() - i > 2) {
      const auto high = hex_digit(text[i + 1]);
      const auto low = hex_digit(text[i + 2]);
      if (high && low) {
        plain += static_cast<char>(*high * 16 + *low);
        i += 2;
        continue;
      }
    }
    plain += text[i] == '+' ? ' ' : text[i];
  }
  return plain;
}

} // namespace

result<http_target> parse_target(std::string_view target) {
  target = target.substr(0, target.find('#'));
  const auto question = target.find('?');
  auto path = target.substr(0, question);
  if (!path.empty() && path.front() != '/') {
    // "http://unix/api/v1/daemon" -> "/api/v1/daemon"
    if (const auto scheme = path.find("://"); scheme != std::string_view::npos) {
      const auto slash = path.find('/', scheme + 3);
      path = slash == std::string_view::npos ? "/" : path.substr(slash);
    }
  }
  http_target parsed{std::string{path}, {}};
  auto rest = question == std::string_view::npos ? std::string_view{} : target.substr(question + 1);
  while (!rest.empty()) {
    const auto pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(pair.size() == rest.size() ? pair.size() : pair.size() + 1);
    const auto equals = pair.find('=');
    auto name = decoded(pair.substr(0, equals));
    auto value = equals == std::string_view::npos ? std::string{} : decoded(pair.substr(equals + 1));
    if (name.find('\0') != std::string::npos || value.find('\0') != std::string::npos)
      return failure{errc::malformed, "the query holds a NUL byte (%00)"};
    if (!name.empty())
      parsed.query[std::move(name)] = std::move(value);
  }
  return parsed;
}

} // namespace nydus
