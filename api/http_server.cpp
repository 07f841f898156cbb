// SPDX-License-Identifier: Apache-2.0
#include "api/http_server.hpp"

#include <microhttpd.h>
#include <poll.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <climits>
#include <cstring>
#include <thread>
#include <unordered_map>

#include "api/http_inbox.hpp"
#include "api/http_target.hpp"

namespace nydus {

namespace {

constexpr unsigned most_connections = 65536; // the limit of open files ends it earlier
/// A client that goes on sending behind the limit of a body is cut off here.
constexpr std::uint64_t most_discarded = std::uint64_t{1} << 30;
constexpr auto time_to_send = std::chrono::seconds{1}; // for answers, when the server ends

/// One request of a connection, from its first line to its answer. Only the server's thread sees it.
struct exchange {
  std::uint64_t number = 0;
  MHD_Connection* connection = nullptr;
  std::string target;
  http_request request;
  http_answer answer;
  std::uint64_t body_size = 0;
  bool has_head = false;
  bool is_handed_over = false;
  bool is_answered = false;
};

class responder final : public http_responder {
public:
  responder(std::shared_ptr<http_inbox> inbox, std::uint64_t exchange)
      : inbox_(std::move(inbox)), exchange_(exchange) {}
  ~responder() override { answer({500, R"({"code":"UNDEFINED","message":"the request was dropped"})"}); }
  void answer(http_answer with) override {
    if (!is_done_.exchange(true))
      inbox_->push(exchange_, std::move(with));
  }

private:
  std::shared_ptr<http_inbox> inbox_;
  std::uint64_t exchange_;
  std::atomic<bool> is_done_{false};
};

http_answer too_large() {
  return {413, R"({"code":"UNDEFINED","message":"the body is larger than 10485760 bytes"})"};
}

MHD_Result queue(MHD_Connection* connection, const http_answer& answer) {
  auto* response = MHD_create_response_from_buffer(answer.body.size(), const_cast<char*>(answer.body.data()),
                                                   MHD_RESPMEM_MUST_COPY);
  if (response == nullptr)
    return MHD_NO;
  MHD_add_response_header(response, MHD_HTTP_HEADER_SERVER, "Nydus API");
  if (!answer.body.empty())
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, answer.content_type.c_str());
  const auto queued = MHD_queue_response(connection, static_cast<unsigned>(answer.status), response);
  MHD_destroy_response(response);
  return queued;
}

/// True if the client waits for "100 Continue" before it sends a body that is too large anyway.
bool asks_for_too_much(MHD_Connection* connection) {
  const auto* expect = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_EXPECT);
  const auto* size = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);
  return expect != nullptr && size != nullptr && ::strcasecmp(expect, "100-continue") == 0 &&
         std::strtoull(size, nullptr, 10) > largest_http_body;
}

} // namespace

struct http_server::loop {
  handler handle;
  std::string path;
  MHD_Daemon* daemon = nullptr;
  std::shared_ptr<http_inbox> inbox = std::make_shared<http_inbox>();
  std::unordered_map<std::uint64_t, exchange*> open; // handed over and not completed
  std::uint64_t last_number = 0;
  std::atomic<bool> is_ending{false};
  std::thread thread;

  // -- called by the library, on our thread ------------------------------------

  static void* on_request_line(void*, const char* target, MHD_Connection* connection) {
    auto* begun = new exchange;
    begun->connection = connection;
    begun->target = target;
    return begun;
  }

  static MHD_Result on_request(void* self, MHD_Connection*, const char*, const char* method, const char*,
                               const char* bytes, std::size_t* size, void** context) {
    return static_cast<loop*>(self)->advance(*static_cast<exchange*>(*context), method, bytes, *size);
  }

  static void on_completed(void* self, MHD_Connection*, void** context, MHD_RequestTerminationCode) {
    std::unique_ptr<exchange> done{static_cast<exchange*>(*context)};
    *context = nullptr;
    if (done)
      static_cast<loop*>(self)->open.erase(done->number);
  }

  /// Head, then pieces of the body, then its end; and once more when the answer is there.
  MHD_Result advance(exchange& asked, const char* method, const char* bytes, std::size_t& size) {
    if (!asked.has_head) {
      asked.has_head = true;
      asked.request.method = method;
      return asks_for_too_much(asked.connection) ? queue(asked.connection, too_large()) : MHD_YES;
    }
    if (size != 0) {
      asked.body_size += size;
      if (asked.body_size <= largest_http_body)
        asked.request.body.append(bytes, size);
      else
        asked.request.body = {};
      size = 0;
      return asked.body_size <= most_discarded ? MHD_YES : MHD_NO;
    }
    if (asked.is_answered)
      return queue(asked.connection, asked.answer);
    if (asked.is_handed_over)
      return MHD_YES;
    if (asked.body_size > largest_http_body)
      return queue(asked.connection, too_large());
    auto target = parse_target(asked.target);
    if (!target)
      return queue(asked.connection,
                   {400, R"({"code":"UNDEFINED","message":"BadRequest: )" + target.error().detail + "\"}"});
    asked.request.path = std::move(target->path);
    asked.request.query = std::move(target->query);
    asked.is_handed_over = true;
    asked.number = ++last_number;
    open[asked.number] = &asked;
    MHD_suspend_connection(asked.connection); // resumed by deliver()
    handle(std::move(asked.request), std::make_shared<responder>(inbox, asked.number));
    return MHD_YES;
  }

  // -- the thread --------------------------------------------------------------

  void deliver(std::uint64_t number, http_answer answer) {
    const auto found = open.find(number);
    if (found == open.end() || found->second->is_answered)
      return;
    found->second->answer = std::move(answer);
    found->second->is_answered = true;
    MHD_resume_connection(found->second->connection);
  }

  void deliver_all() {
    for (auto note = inbox->take(); note; note = std::move(note->next))
      deliver(note->exchange, std::move(note->answer));
  }

  /// Waits for the network or the inbox, at most `limit_ms` (-1: for ever), then does what there is to do.
  void turn(int limit_ms) {
    const auto* listening = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD);
    MHD_UNSIGNED_LONG_LONG library_ms = 0;
    int wait_ms = limit_ms;
    if (MHD_get_timeout(daemon, &library_ms) == MHD_YES) {
      const auto most = static_cast<int>(std::min<MHD_UNSIGNED_LONG_LONG>(library_ms, INT_MAX));
      wait_ms = limit_ms < 0 ? most : std::min(limit_ms, most);
    }
    std::array<pollfd, 2> waited{{{listening->epoll_fd, POLLIN, 0}, {inbox->wake_fd(), POLLIN, 0}}};
    (void) ::poll(waited.data(), waited.size(), wait_ms);
    deliver_all();
    (void) MHD_run(daemon);
  }

  void run() {
    while (!is_ending.load(std::memory_order_acquire))
      turn(-1);
    // Nobody new comes in; who waits is told; what is answered is sent.
    if (const auto listening = MHD_quiesce_daemon(daemon); listening >= 0)
      ::close(listening);
    handle = [](http_request, std::shared_ptr<http_responder> to) { to->answer(ending()); };
    deliver_all();
    for (const auto& [number, waiting] : open)
      if (!waiting->is_answered)
        inbox->push(number, ending());
    const auto deadline = std::chrono::steady_clock::now() + time_to_send;
    do
      turn(open.empty() ? 0 : 20);
    while (!open.empty() && std::chrono::steady_clock::now() < deadline);
    MHD_stop_daemon(daemon);
  }

  static http_answer ending() { return {503, R"({"code":"UNDEFINED","message":"nydusd is ending"})"}; }
};

namespace {

/// A listening socket at `path` that only its owner may use.
result<unique_fd> listen_at(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path)
    return failure{errc::malformed, "socket path '" + path + "' has " + std::to_string(path.size()) +
                                        " bytes; 1 to 107 are possible"};
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  unique_fd fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (!fd)
    return system_failure("make a socket for " + path, errno);
  struct stat there {};
  if (::lstat(path.c_str(), &there) == 0) {
    if (!S_ISSOCK(there.st_mode))
      return failure{errc::unavailable, "listen at " + path + ": a file that is no socket is there"};
    ::unlink(path.c_str());
  }
  // The mode of the descriptor becomes the mode of the file: no moment at which others may connect.
  if (::fchmod(fd.get(), 0600) != 0)
    return system_failure("set the mode of " + path, errno);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return system_failure("bind " + path, errno);
  if (::listen(fd.get(), SOMAXCONN) != 0)
    return system_failure("listen at " + path, errno);
  return fd;
}

} // namespace

http_server::http_server(std::unique_ptr<loop> serving) : loop_(std::move(serving)) {}

result<std::unique_ptr<http_server>> http_server::start(const std::string& path, handler handle) {
  auto listening = listen_at(path);
  if (!listening)
    return std::move(listening).error();
  auto serving = std::make_unique<loop>();
  serving->handle = std::move(handle);
  serving->path = path;
  serving->daemon =
      MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, nullptr, nullptr, loop::on_request,
                       serving.get(), MHD_OPTION_LISTEN_SOCKET, listening->get(), MHD_OPTION_URI_LOG_CALLBACK,
                       loop::on_request_line, serving.get(), MHD_OPTION_NOTIFY_COMPLETED, loop::on_completed,
                       serving.get(), MHD_OPTION_CONNECTION_LIMIT, most_connections,
                       MHD_OPTION_CONNECTION_TIMEOUT, 0U, MHD_OPTION_STRICT_FOR_CLIENT, -1, MHD_OPTION_END);
  if (serving->daemon == nullptr)
    return failure{errc::unavailable, "the HTTP library does not start on " + path};
  (void) listening->release(); // the library closes it
  serving->thread = std::thread{[here = serving.get()] { here->run(); }};
  return std::unique_ptr<http_server>{new http_server{std::move(serving)}};
}

http_server::~http_server() {
  loop_->is_ending.store(true, std::memory_order_release);
  loop_->inbox->wake();
  loop_->thread.join();
  ::unlink(loop_->path.c_str());
}

} // namespace nydus
