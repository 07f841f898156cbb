// SPDX-License-Identifier: Apache-2.0
#include "api/nydusctl/daemon_client.hpp"

#include <curl/curl.h>

#include <array>
#include <cctype>
#include <cerrno>
#include <cstring>

#include "api/nydusctl/answer_reader.hpp"

namespace nydus::ctl {

namespace {

struct curl_end {
  void operator()(CURL* handle) const noexcept { ::curl_easy_cleanup(handle); }
};

std::size_t on_bytes(const char* bytes, std::size_t, std::size_t count, void* body) {
  auto& text = *static_cast<std::string*>(body);
  if (text.size() + count > largest_answer)
    return 0; // libcurl ends the transfer
  text.append(bytes, count);
  return count;
}

/// Why no answer came, and what the user can do.
failure unanswered(const std::string& socket, CURLcode code, long system_error, const char* detail) {
  const std::string reason = system_error != 0
                                 ? std::strerror(static_cast<int>(system_error))
                                 : (*detail != '\0' ? std::string{detail} : ::curl_easy_strerror(code));
  std::string advice;
  if (code == CURLE_COULDNT_CONNECT)
    advice = system_error == EACCES ? "; only the daemon's user may use its socket"
                                    : "; is a nydusd running with --apisock " + socket + "?";
  else if (code == CURLE_OPERATION_TIMEDOUT)
    advice = "; the daemon is stopped or overloaded";
  return {errc::unavailable, "no answer from " + socket + ": " + reason + advice};
}

failure refused(const daemon_reply& reply) {
  std::string message;
  if (const auto body = config_value::from_json(reply.body)) {
    answer_reader fields{*body};
    message = fields.text("message");
  }
  std::string text = "the daemon refused (HTTP " + std::to_string(reply.status) + "): " + message;
  if (message.find("NoCounter") != std::string::npos)
    text += "; there is no such mount, or there are several: name one with --mount";
  else if (message == "NoRoute")
    text += "; this daemon's version does not offer it";
  return {errc::not_supported, text};
}

bool is_success(const daemon_reply& reply) {
  return reply.status >= 200 && reply.status < 300;
}

} // namespace

struct daemon_client::connection {
  std::string socket;
  std::unique_ptr<CURL, curl_end> handle{::curl_easy_init()};
};

daemon_client::daemon_client(std::string socket)
    : connection_(std::make_unique<connection>(connection{std::move(socket)})) {}
daemon_client::~daemon_client() = default;
daemon_client::daemon_client(daemon_client&&) noexcept = default;

result<daemon_reply> daemon_client::call(const std::string& method, const std::string& target,
                                         const std::string& body) {
  auto* handle = connection_->handle.get();
  if (handle == nullptr)
    return failure{errc::unavailable, "libcurl gives no handle"};
  daemon_reply reply;
  std::array<char, CURL_ERROR_SIZE> detail{};
  ::curl_easy_reset(handle); // keeps the connection
  const auto url = "http://localhost" + target;
  ::curl_easy_setopt(handle, CURLOPT_UNIX_SOCKET_PATH, connection_->socket.c_str());
  ::curl_easy_setopt(handle, CURLOPT_URL, url.c_str());
  ::curl_easy_setopt(handle, CURLOPT_PROXY, "");
  ::curl_easy_setopt(handle, CURLOPT_PATH_AS_IS, 1L);
  ::curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  ::curl_easy_setopt(handle, CURLOPT_TIMEOUT, 30L);
  ::curl_easy_setopt(handle, CURLOPT_USERAGENT, "nydusctl");
  ::curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, method.c_str());
  if (!body.empty()) {
    ::curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
    ::curl_easy_setopt(handle, CURLOPT_POSTFIELDS, body.c_str());
  }
  ::curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, on_bytes);
  ::curl_easy_setopt(handle, CURLOPT_WRITEDATA, &reply.body);
  ::curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, detail.data());
  const auto code = ::curl_easy_perform(handle);
  ::curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, nullptr);
  if (code != CURLE_OK) {
    long system_error = 0;
    ::curl_easy_getinfo(handle, CURLINFO_OS_ERRNO, &system_error);
    return unanswered(connection_->socket, code, code == CURLE_COULDNT_CONNECT ? system_error : 0,
                      detail.data());
  }
  ::curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &reply.status);
  const char* type = nullptr;
  ::curl_easy_getinfo(handle, CURLINFO_CONTENT_TYPE, &type);
  if (type != nullptr)
    reply.content_type = type;
  return reply;
}

result<std::string> daemon_client::get(const std::string& target) {
  auto reply = call("GET", target);
  if (!reply)
    return reply.error();
  if (!is_success(*reply))
    return refused(*reply);
  return std::move(reply->body);
}

result<void> daemon_client::send(const std::string& method, const std::string& target,
                                 const std::string& body) {
  const auto reply = call(method, target, body);
  if (!reply)
    return reply.error();
  if (!is_success(*reply))
    return refused(*reply);
  return {};
}

std::string encoded(std::string_view text) {
  static constexpr std::string_view digits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80 && (std::isalnum(byte) != 0 || c == '-' || c == '_' || c == '.' || c == '~')) {
      out += c;
    } else {
      out += '%';
      out += digits[byte >> 4];
      out += digits[byte & 15];
    }
  }
  return out;
}

} // namespace nydus::ctl
