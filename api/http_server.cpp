// SPDX-License-Identifier: Apache-2.0
#include "api/http_server.hpp"

#include <microhttpd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>

#include "protocol/unique_fd.hpp"

namespace nydus {

namespace {

constexpr std::size_t largest_body = 10 << 20;
constexpr unsigned most_connections = 4096;

/// One request of a connection, from its first line to its answer. The library's thread and whoever answers
/// share it.
struct exchange {
  MHD_Connection* connection = nullptr;
  http_request request;
  http_answer answer;
  bool is_too_large = false;
  bool is_handed_over = false; // library's thread only
  std::atomic<bool> is_answered{false};
};

class responder final : public http_responder {
public:
  explicit responder(std::shared_ptr<exchange> asked) : asked_(std::move(asked)) {}
  ~responder() override { answer({500, R"({"code":"UNDEFINED","message":"the request was dropped"})"}); }
  void answer(http_answer with) override {
    if (is_done_.exchange(true))
      return;
    asked_->answer = std::move(with);
    asked_->is_answered.store(true, std::memory_order_release);
    MHD_resume_connection(asked_->connection);
  }

private:
  std::shared_ptr<exchange> asked_;
  std::atomic<bool> is_done_{false};
};

MHD_Result queue(MHD_Connection* connection, const http_answer& answer) {
  auto* response = MHD_create_response_from_buffer(answer.body.size(), const_cast<char*>(answer.body.data()),
                                                   MHD_RESPMEM_MUST_COPY);
  MHD_add_response_header(response, MHD_HTTP_HEADER_SERVER, "Nydus API");
  if (!answer.body.empty())
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
  const auto queued = MHD_queue_response(connection, static_cast<unsigned>(answer.status), response);
  MHD_destroy_response(response);
  return queued;
}

MHD_Result take_query(void* request, MHD_ValueKind, const char* key, const char* value) {
  static_cast<http_request*>(request)->query[key] = value != nullptr ? value : "";
  return MHD_YES;
}

/// "http://unix/api/v1/daemon" -> "/api/v1/daemon"
std::string path_of(const std::string& url) {
  const auto scheme = url.find("://");
  if (url.empty() || url.front() == '/' || scheme == std::string::npos)
    return url;
  const auto slash = url.find('/', scheme + 3);
  return slash == std::string::npos ? "/" : url.substr(slash);
}

} // namespace

struct http_server::state {
  handler handle;
  std::string path;
  MHD_Daemon* daemon = nullptr;

  static MHD_Result on_request(void* self, MHD_Connection* connection, const char* url, const char* method,
                               const char*, const char* data, std::size_t* size, void** context) {
    auto* here = static_cast<state*>(self);
    if (*context == nullptr) {
      auto asked = std::make_shared<exchange>();
      asked->connection = connection;
      asked->request.method = method;
      asked->request.path = path_of(url);
      MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, take_query, &asked->request);
      *context = new std::shared_ptr<exchange>(std::move(asked));
      return MHD_YES;
    }
    const auto asked = *static_cast<std::shared_ptr<exchange>*>(*context);
    if (*size != 0) {
      if (asked->request.body.size() + *size > largest_body)
        asked->is_too_large = true;
      else
        asked->request.body.append(data, *size);
      *size = 0;
      return MHD_YES;
    }
    if (asked->is_too_large)
      return queue(connection, {413, R"({"code":"UNDEFINED","message":"the body is larger than 10 MiB"})"});
    if (!asked->is_handed_over) {
      asked->is_handed_over = true;
      MHD_suspend_connection(connection); // resumed by whoever answers
      here->handle(std::move(asked->request), std::make_shared<responder>(asked));
      return MHD_YES;
    }
    if (!asked->is_answered.load(std::memory_order_acquire))
      return MHD_YES;
    return queue(connection, asked->answer);
  }

  static void on_completed(void*, MHD_Connection*, void** context, MHD_RequestTerminationCode) {
    delete static_cast<std::shared_ptr<exchange>*>(*context);
    *context = nullptr;
  }
};

http_server::http_server() : state_(std::make_unique<state>()) {}

result<std::unique_ptr<http_server>> http_server::start(const std::string& path, handler handle) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path)
    return failure{errc::malformed, "socket path '" + path + "' has " + std::to_string(path.size()) +
                                        " bytes; 1 to 107 are possible"};
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  unique_fd fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  struct stat there {};
  if (::lstat(path.c_str(), &there) == 0) {
    if (!S_ISSOCK(there.st_mode))
      return failure{errc::unavailable, "listen at " + path + ": a file that is no socket is there"};
    ::unlink(path.c_str());
  }
  const auto umask_before = ::umask(0177);
  const bool is_bound =
      fd && ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  const int why = errno;
  ::umask(umask_before);
  if (!is_bound)
    return system_failure("bind " + path, why);
  if (::listen(fd.get(), 1024) != 0)
    return system_failure("listen at " + path, errno);
  std::unique_ptr<http_server> server{new http_server};
  server->state_->handle = std::move(handle);
  server->state_->path = path;
  server->state_->daemon =
      MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, 0, nullptr, nullptr,
                       state::on_request, server->state_.get(), MHD_OPTION_LISTEN_SOCKET, fd.get(),
                       MHD_OPTION_NOTIFY_COMPLETED, state::on_completed, nullptr, MHD_OPTION_CONNECTION_LIMIT,
                       most_connections, MHD_OPTION_CONNECTION_TIMEOUT, 0u, MHD_OPTION_END);
  if (server->state_->daemon == nullptr)
    return failure{errc::unavailable, "the HTTP library does not start on " + path};
  (void) fd.release(); // the library closes it
  return server;
}

http_server::~http_server() {
  if (state_->daemon != nullptr) {
    MHD_stop_daemon(state_->daemon);
    ::unlink(state_->path.c_str());
  }
}

} // namespace nydus
