// SPDX-License-Identifier: Apache-2.0
#include "api/nydusctl/page_rules.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "api/http_target.hpp"
#include "api/nydusctl/daemon_client.hpp"

namespace nydus::ctl {

namespace {

struct host_and_port {
  std::string host; // IPv6 without its brackets
  std::string port; // empty: none
  bool has_brackets = false;
};

std::optional<host_and_port> split(std::string_view text) {
  host_and_port parts;
  std::size_t end = text.find(':');
  if (!text.empty() && text.front() == '[') {
    const auto bracket = text.find(']');
    if (bracket == std::string_view::npos)
      return std::nullopt;
    parts.host = text.substr(1, bracket - 1);
    parts.has_brackets = true;
    end = bracket + 1;
  } else {
    parts.host = text.substr(0, end);
  }
  if (end < text.size()) {
    if (text[end] != ':')
      return std::nullopt;
    parts.port = text.substr(end + 1);
  }
  return parts;
}

std::optional<in_addr> loopback_v4(const std::string& host) {
  in_addr address{};
  if (::inet_pton(AF_INET, host.c_str(), &address) != 1 || ntohl(address.s_addr) >> 24 != IN_LOOPBACKNET)
    return std::nullopt;
  return address;
}

bool is_loopback_v6(const std::string& host) {
  in6_addr address{};
  return ::inet_pton(AF_INET6, host.c_str(), &address) == 1 && IN6_IS_ADDR_LOOPBACK(&address);
}

} // namespace

result<sockaddr_storage> parse_loopback(const std::string& listen) {
  const failure wrong{errc::malformed,
                      "--listen " + listen +
                          ": only addresses of this machine itself are served, as 127.0.0.1:8080 or "
                          "[::1]:8080; from another machine, forward the port with ssh -L"};
  const auto parts = split(listen);
  if (!parts)
    return wrong;
  std::uint16_t port = 0;
  const auto* end = parts->port.data() + parts->port.size();
  if (const auto read = std::from_chars(parts->port.data(), end, port);
      read.ec != std::errc{} || read.ptr != end)
    return failure{errc::malformed, "--listen " + listen + ": a port from 0 to 65535 has to follow the ':'"};
  sockaddr_storage address{};
  if (parts->has_brackets && is_loopback_v6(parts->host)) {
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    v6.sin6_addr = in6addr_loopback;
    std::memcpy(&address, &v6, sizeof v6);
    return address;
  }
  const auto host = parts->has_brackets ? std::nullopt
                                        : loopback_v4(parts->host == "localhost" ? "127.0.0.1" : parts->host);
  if (!host)
    return wrong;
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_port = htons(port);
  v4.sin_addr = *host;
  std::memcpy(&address, &v4, sizeof v4);
  return address;
}

bool is_own_host(std::string_view host) {
  const auto parts = split(host);
  if (!parts || !std::all_of(parts->port.begin(), parts->port.end(),
                             [](unsigned char c) { return c >= '0' && c <= '9'; }))
    return false;
  if (parts->has_brackets)
    return is_loopback_v6(parts->host);
  return parts->host == "localhost" || loopback_v4(parts->host).has_value();
}

std::optional<std::string> daemon_target(std::string_view target) {
  const auto parsed = parse_target(target);
  if (!parsed)
    return std::nullopt;
  const auto& path = parsed->path;
  if (path != "/api/v1/actors" && path != "/api/v1/trace" && path != "/metrics")
    return std::nullopt;
  auto asked = path;
  for (const auto& [name, value] : parsed->query)
    asked += (asked.size() == path.size() ? "?" : "&") + encoded(name) + "=" + encoded(value);
  return asked;
}

} // namespace nydus::ctl
