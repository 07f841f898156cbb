// SPDX-License-Identifier: Apache-2.0
#include "storage/registry_challenge.hpp"

#include <algorithm>
#include <cctype>

namespace nydus {

namespace {

std::string lower(std::string_view text) {
  std::string all{text};
  std::transform(all.begin(), all.end(), all.begin(), [](unsigned char c) { return std::tolower(c); });
  return all;
}

/// Takes words, quoted strings and marks off the front of a header.
class header_reader {
public:
  explicit header_reader(std::string_view rest) : rest_(rest) { skip_blanks(); }

  bool is_at_end() const noexcept { return rest_.empty(); }
  bool take(char mark) {
    if (rest_.empty() || rest_.front() != mark)
      return false;
    rest_.remove_prefix(1);
    skip_blanks();
    return true;
  }
  std::string_view word() {
    const auto end = std::min(rest_.find_first_of("=, \t\""), rest_.size());
    const auto taken = rest_.substr(0, end);
    rest_.remove_prefix(end);
    skip_blanks();
    return taken;
  }
  std::string value() {
    if (!take('"'))
      return std::string{word()};
    std::string text;
    while (!rest_.empty() && rest_.front() != '"') {
      if (rest_.front() == '\\' && rest_.size() > 1)
        rest_.remove_prefix(1);
      text += rest_.front();
      rest_.remove_prefix(1);
    }
    take('"');
    return text;
  }

private:
  void skip_blanks() { rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t"), rest_.size())); }

  std::string_view rest_;
};

void keep(auth_challenge& challenge, const std::string& name, std::string value) {
  if (name == "realm")
    challenge.realm = std::move(value);
  else if (name == "service")
    challenge.service = std::move(value);
  else if (name == "scope")
    challenge.scope = std::move(value);
}

bool is_usable(const auth_challenge& challenge) {
  return challenge.kind == auth_challenge::scheme::basic || challenge.realm.starts_with("https://") ||
         challenge.realm.starts_with("http://");
}

} // namespace

std::optional<auth_challenge> parse_challenge(std::string_view header) {
  header_reader rest{header};
  std::optional<auth_challenge> current;
  while (!rest.is_at_end()) {
    const auto name = lower(rest.word());
    if (rest.take('=')) {
      if (current)
        keep(*current, name, rest.value());
      else
        (void) rest.value(); // of a scheme that is not known
    } else if (name.empty()) {
      if (!rest.take(','))
        return std::nullopt; // neither word nor mark
      continue;
    } else { // a scheme's name
      if (current && is_usable(*current))
        return current;
      current.reset();
      if (name == "basic" || name == "bearer")
        current = auth_challenge{
            name == "basic" ? auth_challenge::scheme::basic : auth_challenge::scheme::bearer, {}, {}, {}};
    }
    rest.take(',');
  }
  return current && is_usable(*current) ? current : std::nullopt;
}

} // namespace nydus
