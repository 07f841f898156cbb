// SPDX-License-Identifier: Apache-2.0
#include "api/nydusctl/page_server.hpp"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <ostream>

#include "api/nydusctl/page_files.hpp"
#include "api/nydusctl/page_rules.hpp"
#include "protocol/unique_fd.hpp"

namespace nydus::ctl {

namespace {

constexpr unsigned most_connections = 64;
constexpr unsigned idle_seconds = 60;

struct daemon_end {
  void operator()(MHD_Daemon* server) const noexcept { ::MHD_stop_daemon(server); }
};

MHD_Result answer(MHD_Connection* connection, unsigned status, const char* content_type,
                  std::string_view text) {
  auto* response =
      ::MHD_create_response_from_buffer(text.size(), const_cast<char*>(text.data()), MHD_RESPMEM_MUST_COPY);
  if (response == nullptr)
    return MHD_NO;
  const std::pair<const char*, const char*> headers[] = {
      {"Content-Type", content_type},
      {"Cache-Control", "no-store"},
      {"X-Content-Type-Options", "nosniff"},
      {"Referrer-Policy", "no-referrer"},
      {"Cross-Origin-Resource-Policy", "same-origin"},
      {"Content-Security-Policy",
       "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
       "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"}};
  for (const auto& [name, value] : headers)
    ::MHD_add_response_header(response, name, value);
  const auto queued = ::MHD_queue_response(connection, status, response);
  ::MHD_destroy_response(response);
  return queued;
}

MHD_Result refuse(MHD_Connection* connection, unsigned status, std::string_view why) {
  return answer(connection, status, "text/plain; charset=utf-8", why);
}

/// Where a request starts: the library unescapes the path, but what is passed on has to be read as it came.
void* keep_target(void*, const char* target, MHD_Connection*) {
  return new std::string{target};
}

void drop_target(void*, MHD_Connection*, void** target, MHD_RequestTerminationCode) {
  delete static_cast<std::string*>(*target);
  *target = nullptr;
}

/// Runs on the library's one thread, so that `daemon` has one user.
MHD_Result serve(void* daemon, MHD_Connection* connection, const char*, const char* method, const char*,
                 const char*, std::size_t* size, void** kept) {
  const std::string& target = *static_cast<std::string*>(*kept);
  if (*size != 0) {
    *size = 0; // nothing here has a use for a body
    return MHD_YES;
  }
  const auto* host = ::MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST);
  if (host == nullptr || !is_own_host(host))
    return refuse(connection, MHD_HTTP_FORBIDDEN,
                  "this server answers to 127.0.0.1, [::1] and localhost alone\n");
  if (std::strcmp(method, MHD_HTTP_METHOD_GET) != 0)
    return refuse(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "this server only looks: GET is right\n");
  for (const auto& file : page_files())
    if (target == file.path)
      return answer(connection, MHD_HTTP_OK, file.content_type, file.text);
  const auto asked = daemon_target(target);
  if (!asked)
    return refuse(connection, MHD_HTTP_NOT_FOUND, "there is no such page\n");
  const auto reply = static_cast<daemon_client*>(daemon)->call("GET", *asked);
  if (!reply)
    return refuse(connection, MHD_HTTP_BAD_GATEWAY, reply.error().detail + "\n");
  return answer(connection, static_cast<unsigned>(reply->status), reply->content_type.c_str(), reply->body);
}

result<unique_fd> listen_on(const sockaddr_storage& address, const std::string& shown) {
  unique_fd fd{::socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (!fd)
    return system_failure("make a socket for " + shown, errno);
  const int yes = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  const auto size = address.ss_family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), static_cast<socklen_t>(size)) != 0 ||
      ::listen(fd.get(), SOMAXCONN) != 0)
    return system_failure("listen on " + shown, errno);
  return fd;
}

/// "http://127.0.0.1:8080/", with the port that was chosen.
std::string address_of(const unique_fd& listening) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  ::getsockname(listening.get(), reinterpret_cast<sockaddr*>(&address), &size);
  std::array<char, INET6_ADDRSTRLEN> host{};
  if (address.ss_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(&address);
    ::inet_ntop(AF_INET, &v4->sin_addr, host.data(), host.size());
    return std::string{"http://"} + host.data() + ":" + std::to_string(ntohs(v4->sin_port)) + "/";
  }
  return "http://[::1]:" + std::to_string(ntohs(reinterpret_cast<const sockaddr_in6*>(&address)->sin6_port)) +
         "/";
}

} // namespace

result<void> run(const serve_page& asked, bool, daemon_client& daemon, std::ostream& out) {
  const auto address = parse_loopback(asked.listen);
  if (!address)
    return address.error();
  if (const auto first = daemon.get("/api/v1/actors"); !first)
    return first.error();
  auto listening = listen_on(*address, asked.listen);
  if (!listening)
    return listening.error();
  const auto shown = address_of(*listening);
  sigset_t ending;
  ::sigemptyset(&ending);
  ::sigaddset(&ending, SIGINT);
  ::sigaddset(&ending, SIGTERM);
  ::sigprocmask(SIG_BLOCK, &ending, nullptr); // inherited by the library's thread
  ::signal(SIGPIPE, SIG_IGN);
  const std::unique_ptr<MHD_Daemon, daemon_end> server{::MHD_start_daemon(
      MHD_USE_EPOLL_INTERNAL_THREAD, 0, nullptr, nullptr, serve, &daemon, MHD_OPTION_LISTEN_SOCKET,
      listening->get(), MHD_OPTION_URI_LOG_CALLBACK, keep_target, nullptr, MHD_OPTION_NOTIFY_COMPLETED,
      drop_target, nullptr, MHD_OPTION_CONNECTION_LIMIT, most_connections, MHD_OPTION_CONNECTION_TIMEOUT,
      idle_seconds, MHD_OPTION_END)};
  if (!server)
    return failure{errc::unavailable, "the HTTP library does not start on " + asked.listen};
  (void) listening->release(); // the library closes it
  out << "The page is at " << shown << " until Ctrl-C." << std::endl;
  int signal = 0;
  ::sigwait(&ending, &signal);
  return {};
}

} // namespace nydus::ctl
