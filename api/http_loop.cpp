// SPDX-License-Identifier: Apache-2.0
#include "api/http_loop.hpp"

#include <microhttpd.h>
#include <strings.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <exception>

#include "actors/log_line.hpp"
#include "api/http_target.hpp"

namespace nydus {

namespace {

constexpr unsigned most_connections = 65536; // the limit of open files ends it earlier
/// A client that goes on sending behind the limit of a body is cut off here.
constexpr std::uint64_t most_discarded = std::uint64_t{1} << 30;

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

http_answer ending() {
  return {503, R"({"code":"UNDEFINED","message":"nydusd is ending"})"};
}

/// `answer` lives as long as the request: the library sends its bytes from where they are.
MHD_Result queue(MHD_Connection* connection, const http_answer& answer) {
  auto* response = MHD_create_response_from_buffer(answer.body.size(), const_cast<char*>(answer.body.data()),
                                                   MHD_RESPMEM_PERSISTENT);
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

/// One request of a connection, from its first line to its answer.
struct http_exchange {
  std::uint64_t number = 0; // 0: not handed over
  MHD_Connection* connection = nullptr;
  std::string target;
  http_request request;
  http_answer answer;
  std::uint64_t body_size = 0;
  bool has_head = false;
  bool is_answered = false;
};

struct http_callbacks {
  static MHD_Result refuse(http_exchange& asked, http_answer with) {
    asked.answer = std::move(with);
    return queue(asked.connection, asked.answer);
  }

  static void* on_request_line(void*, const char* target, MHD_Connection* connection) try {
    auto begun = std::make_unique<http_exchange>();
    begun->connection = connection;
    begun->target = target;
    return begun.release();
  } catch (const std::exception&) {
    return nullptr; // on_request ends the connection
  }

  static MHD_Result on_request(void* self, MHD_Connection*, const char*, const char* method, const char*,
                               const char* bytes, std::size_t* size, void** context) try {
    auto* asked = static_cast<http_exchange*>(*context);
    return asked == nullptr ? MHD_NO : advance(*static_cast<http_loop*>(self), *asked, method, bytes, *size);
  } catch (const std::exception& thrown) { // the library knows no exceptions: the connection ends
    log_line(log_level::error, std::string{"an HTTP request is dropped: "} + thrown.what());
    return MHD_NO;
  }

  static void on_completed(void* self, MHD_Connection*, void** context, MHD_RequestTerminationCode) {
    std::unique_ptr<http_exchange> done{static_cast<http_exchange*>(*context)};
    *context = nullptr;
    if (done)
      static_cast<http_loop*>(self)->open_.erase(done->number);
  }

  /// Head, then pieces of the body, then its end; and once more when the answer is there.
  static MHD_Result advance(http_loop& self, http_exchange& asked, const char* method, const char* bytes,
                            std::size_t& size) {
    if (!asked.has_head) {
      asked.has_head = true;
      asked.request.method = method;
      return asks_for_too_much(asked.connection) ? refuse(asked, too_large()) : MHD_YES;
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
    if (asked.number != 0)
      return MHD_YES;
    if (asked.body_size > largest_http_body)
      return refuse(asked, too_large());
    auto target = parse_target(asked.target);
    if (!target)
      return refuse(asked,
                    {400, R"({"code":"UNDEFINED","message":"BadRequest: )" + target.error().detail + "\"}"});
    asked.request.path = std::move(target->path);
    asked.request.query = std::move(target->query);
    self.take(asked);
    return MHD_YES;
  }
};

std::unique_ptr<http_loop> http_loop::start(unique_fd listening, http_handler handle) {
  std::unique_ptr<http_loop> started{new http_loop};
  auto* const self = started.get();
  self->handle_ = std::move(handle);
  self->library_ = MHD_start_daemon(
      MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, nullptr, nullptr, http_callbacks::on_request, self,
      MHD_OPTION_LISTEN_SOCKET, listening.get(), MHD_OPTION_URI_LOG_CALLBACK, http_callbacks::on_request_line,
      self, MHD_OPTION_NOTIFY_COMPLETED, http_callbacks::on_completed, self, MHD_OPTION_CONNECTION_LIMIT,
      most_connections, MHD_OPTION_CONNECTION_TIMEOUT, 0U, MHD_OPTION_STRICT_FOR_CLIENT, -1, MHD_OPTION_END);
  if (self->library_ == nullptr)
    return nullptr;
  (void) listening.release(); // the library closes it
  return started;
}

http_loop::~http_loop() {
  if (library_ == nullptr)
    return;
  // The library does not stop while connections are suspended.
  for (const auto& [number, waiting] : open_)
    if (!std::exchange(waiting->is_answered, true))
      MHD_resume_connection(waiting->connection);
  (void) MHD_run(library_);
  MHD_stop_daemon(library_);
}

int http_loop::library_fd() const noexcept {
  return MHD_get_daemon_info(library_, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
}

bool http_loop::turn() {
  for (auto note = inbox_->take(); note; note = std::move(note->next))
    deliver(note->exchange, std::move(note->answer));
  (void) MHD_run(library_);
  MHD_UNSIGNED_LONG_LONG wait_ms = 0;
  return MHD_get_timeout(library_, &wait_ms) == MHD_YES && wait_ms == 0;
}

void http_loop::close() {
  if (const auto listening = MHD_quiesce_daemon(library_); listening >= 0)
    ::close(listening);
  handle_ = [](http_request, std::shared_ptr<http_responder> to) { to->answer(ending()); };
  // Answers that are there already come first.
  for (auto note = inbox_->take(); note; note = std::move(note->next))
    deliver(note->exchange, std::move(note->answer));
  for (const auto& [number, waiting] : open_)
    deliver(number, ending());
  inbox_->wake(); // the answers go out in turns
}

void http_loop::take(http_exchange& asked) {
  asked.number = ++last_number_;
  open_[asked.number] = &asked;
  auto duty = std::make_shared<responder>(inbox_, asked.number);
  MHD_suspend_connection(asked.connection); // resumed by deliver()
  try {
    handle_(std::move(asked.request), std::move(duty));
  } catch (const std::exception& thrown) { // who dropped the duty has answered 500
    log_line(log_level::error, std::string{"an HTTP request is dropped: "} + thrown.what());
  }
}

void http_loop::deliver(std::uint64_t number, http_answer answer) {
  const auto found = open_.find(number);
  if (found == open_.end() || found->second->is_answered)
    return;
  found->second->answer = std::move(answer);
  found->second->is_answered = true;
  MHD_resume_connection(found->second->connection);
}

} // namespace nydus
