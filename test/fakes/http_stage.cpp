// SPDX-License-Identifier: Apache-2.0
#include "test/fakes/http_stage.hpp"

#include <arpa/inet.h>
#include <microhttpd.h>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstring>
#include <stdexcept>

namespace nydus {

namespace {

MHD_Result keep_header(void* to, MHD_ValueKind, const char* name, const char* value) {
  std::string lower{name};
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  (*static_cast<std::map<std::string, std::string>*>(to))[lower] = value == nullptr ? "" : value;
  return MHD_YES;
}

MHD_Result keep_argument(void* to, MHD_ValueKind, const char* name, const char* value) {
  (*static_cast<std::map<std::string, std::string>*>(to))[name] = value == nullptr ? "" : value;
  return MHD_YES;
}

/// A body that ends before its time.
struct cut_body {
  std::string bytes;
  std::size_t end;
};

ssize_t give_bytes(void* from, std::uint64_t position, char* to, std::size_t room) {
  const auto& body = *static_cast<const cut_body*>(from);
  if (position >= body.end)
    return MHD_CONTENT_READER_END_WITH_ERROR;
  const auto size = std::min(room, body.end - static_cast<std::size_t>(position));
  std::memcpy(to, body.bytes.data() + position, size);
  return static_cast<ssize_t>(size);
}

MHD_Response* response_of(const staged_answer& answer) {
  if (answer.cut_after == std::string::npos)
    return MHD_create_response_from_buffer(answer.body.size(), const_cast<char*>(answer.body.data()),
                                           MHD_RESPMEM_MUST_COPY);
  return MHD_create_response_from_callback(answer.body.size(), 4096, &give_bytes,
                                           new cut_body{answer.body, answer.cut_after},
                                           [](void* body) { delete static_cast<cut_body*>(body); });
}

} // namespace

struct http_stage::stage {
  play answer;
  MHD_Daemon* daemon = nullptr;
  ~stage() {
    if (daemon != nullptr)
      MHD_stop_daemon(daemon);
  }
  static MHD_Result handle(void* self, MHD_Connection* connection, const char* url, const char* method,
                           const char*, const char*, std::size_t* body_size, void** state) {
    static int seen;
    if (*state == nullptr) { // headers alone so far
      *state = &seen;
      return MHD_YES;
    }
    if (*body_size != 0) {
      *body_size = 0;
      return MHD_YES;
    }
    staged_request request{method, url, {}, {}};
    MHD_get_connection_values(connection, MHD_HEADER_KIND, &keep_header, &request.headers);
    MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, &keep_argument, &request.query);
    const auto answer = static_cast<stage*>(self)->answer(request);
    auto* response = response_of(answer);
    for (const auto& [name, value] : answer.headers)
      MHD_add_response_header(response, name.c_str(), value.c_str());
    const auto queued = MHD_queue_response(connection, answer.status, response);
    MHD_destroy_response(response);
    return queued;
  }
};

http_stage::http_stage(play answer) : stage_(std::make_unique<stage>()) {
  stage_->answer = std::move(answer);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  stage_->daemon =
      MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD, 0, nullptr, nullptr, &stage::handle, stage_.get(),
                       MHD_OPTION_SOCK_ADDR, reinterpret_cast<sockaddr*>(&address), MHD_OPTION_END);
  if (stage_->daemon == nullptr)
    throw std::runtime_error("no HTTP server on loopback");
}

http_stage::~http_stage() = default;

std::uint16_t http_stage::port() const noexcept {
  return MHD_get_daemon_info(stage_->daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
}

staged_answer range_of(const std::string& content, const staged_request& request) {
  unsigned long long first = 0;
  unsigned long long last = 0;
  const auto found = request.headers.find("range");
  if (found == request.headers.end() ||
      std::sscanf(found->second.c_str(), "bytes=%llu-%llu", &first, &last) != 2)
    return {200, content};
  if (first >= content.size())
    return {416, ""};
  last = std::min<unsigned long long>(last, content.size() - 1);
  return {206,
          content.substr(first, last - first + 1),
          {{"Content-Range", "bytes " + std::to_string(first) + "-" + std::to_string(last) + "/" +
                                 std::to_string(content.size())}}};
}

} // namespace nydus
