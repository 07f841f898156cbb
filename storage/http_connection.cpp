// SPDX-License-Identifier: Apache-2.0
#include "storage/http_connection.hpp"

#include <curl/curl.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cstring>
#include <fstream>
#include <iterator>
#include <new>
#include <string_view>

namespace nydus {

namespace {

constexpr std::size_t longest_text = 64 << 10;
constexpr std::size_t longest_head = 256 << 10; // of all headers
constexpr long slowest = 1024; // bytes per second; slower for the whole timeout is no progress
constexpr std::uint64_t slowest_whole = 32 << 10; // bytes per second over a whole answer

/// curl_global_init() is to be called once, before all else.
void start_curl() {
  static const auto outcome = ::curl_global_init(CURL_GLOBAL_DEFAULT);
  (void) outcome;
}

struct free_list {
  void operator()(curl_slist* list) const noexcept { ::curl_slist_free_all(list); }
};
using header_list = std::unique_ptr<curl_slist, free_list>;

/// What the callbacks of one request fill in.
struct receiver {
  const http_request& request;
  http_answer& answer;
  std::size_t head_size = 0; // bytes
};

/// Keeps one line of the head.
void keep_header(std::string_view line, http_answer& answer) {
  if (line.starts_with("HTTP/")) { // the last one counts: others are interim, or of a proxy
    answer.headers.clear();
    answer.status = 0;
    if (const auto space = line.find(' '); space != std::string_view::npos)
      std::from_chars(line.data() + space + 1, line.data() + line.size(), answer.status);
    return;
  }
  const auto colon = line.find(':');
  if (colon == std::string_view::npos)
    return;
  std::string name{line.substr(0, colon)};
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
  const auto value = line.substr(colon + 1);
  const auto start = value.find_first_not_of(" \t");
  const auto end = value.find_last_not_of(" \t\r\n");
  if (start == std::string_view::npos || end == std::string_view::npos)
    answer.headers[std::move(name)] = {};
  else
    answer.headers[std::move(name)] = value.substr(start, end - start + 1);
}

// What curl calls. No exception may pass through it: no memory ends the transfer.

std::size_t take_header(char* bytes, std::size_t size, std::size_t count, void* user) noexcept {
  auto& to = *static_cast<receiver*>(user);
  to.head_size += size * count;
  if (to.head_size > longest_head)
    return 0;
  try {
    keep_header({bytes, size * count}, to.answer);
    return size * count;
  } catch (const std::bad_alloc&) {
    return 0;
  }
}

std::size_t take_body(char* bytes, std::size_t size, std::size_t count, void* user) noexcept {
  auto& answer = static_cast<receiver*>(user)->answer;
  const auto& request = static_cast<receiver*>(user)->request;
  const auto length = size * count;
  const bool is_wanted = answer.status / 100 == 2 && !request.sink.empty();
  const auto room = is_wanted ? request.sink.size() - answer.size : longest_text - answer.text.size();
  const auto taken = std::min(length, room);
  if (is_wanted) {
    std::memcpy(request.sink.data() + answer.size, bytes, taken);
    answer.size += taken;
  } else {
    try {
      answer.text.append(bytes, taken);
    } catch (const std::bad_alloc&) {
      return 0;
    }
  }
  answer.is_cut = taken < length;
  return taken; // less than there is ends the transfer
}

std::string read_certificates(const std::vector<std::string>& paths) {
  std::string all;
  for (const auto& path : paths) {
    std::ifstream file{path, std::ios::binary};
    all.append(std::istreambuf_iterator<char>{file}, {});
    all += '\n';
  }
  return all;
}

} // namespace

struct http_connection::handle {
  CURL* easy = nullptr;
  std::string certificates; // read once for each list of files
  std::vector<std::string> certificate_files;
  std::array<char, CURL_ERROR_SIZE> error{};

  ~handle() { ::curl_easy_cleanup(easy); }
  void prepare(const http_request& request, receiver& to, const header_list& headers);
  void trust(const http_config& config);
  void limit(const http_request& request);
};

void http_connection::handle::trust(const http_config& config) {
  if (config.skips_verify) {
    ::curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
    ::curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
  }
  if (config.ca_cert_files.empty())
    return;
  if (certificate_files != config.ca_cert_files) {
    certificates = read_certificates(config.ca_cert_files);
    certificate_files = config.ca_cert_files;
  }
  // The system's are found by CURLOPT_CAPATH beside them.
  curl_blob blob{certificates.data(), certificates.size(), CURL_BLOB_NOCOPY};
  ::curl_easy_setopt(easy, CURLOPT_CAINFO_BLOB, &blob);
}

void http_connection::handle::limit(const http_request& request) {
  const auto& config = *request.config;
  ::curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, static_cast<long>(config.connect_timeout));
  ::curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, slowest);
  ::curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, static_cast<long>(config.timeout));
  const auto whole = config.connect_timeout + config.timeout + request.sink.size() / slowest_whole;
  ::curl_easy_setopt(easy, CURLOPT_TIMEOUT, static_cast<long>(whole));
}

void http_connection::handle::prepare(const http_request& request, receiver& to, const header_list& headers) {
  ::curl_easy_reset(easy); // options, not open connections
  ::curl_easy_setopt(easy, CURLOPT_URL, request.url.c_str());
  ::curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  ::curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  ::curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
  ::curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers.get());
  ::curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error.data());
  ::curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &take_header);
  ::curl_easy_setopt(easy, CURLOPT_HEADERDATA, &to);
  ::curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &take_body);
  ::curl_easy_setopt(easy, CURLOPT_WRITEDATA, &to);
  // An empty one turns off what the environment says.
  ::curl_easy_setopt(easy, CURLOPT_PROXY, request.uses_proxy ? request.config->proxy.url.c_str() : "");
  if (!request.form.empty()) {
    ::curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, static_cast<long>(request.form.size()));
    ::curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request.form.c_str());
  }
  if (!request.signature.scheme.empty()) {
    ::curl_easy_setopt(easy, CURLOPT_AWS_SIGV4, request.signature.scheme.c_str());
    ::curl_easy_setopt(easy, CURLOPT_USERNAME, request.signature.key_id.c_str());
    ::curl_easy_setopt(easy, CURLOPT_PASSWORD, request.signature.key_secret.c_str());
  }
  trust(*request.config);
  limit(request);
}

http_connection::http_connection() : handle_(std::make_unique<handle>()) {
  start_curl();
  handle_->easy = ::curl_easy_init();
}

http_connection::~http_connection() = default;

http_connection& http_connection::of_this_thread() {
  static thread_local http_connection own;
  return own;
}

std::string shown_url(const std::string& url) {
  return url.substr(0, url.find('?'));
}

result<http_answer> http_connection::perform(const http_request& request) {
  const auto failed = [&](const std::string& cause) {
    return failure{errc::backend_down, shown_url(request.url) + ": " + cause};
  };
  is_tls_failure_ = false;
  if (handle_->easy == nullptr)
    return failed("no memory for a connection");
  header_list headers;
  for (const auto& line : request.headers)
    if (auto* longer = ::curl_slist_append(headers.get(), line.c_str()); longer != nullptr) {
      (void) headers.release();
      headers.reset(longer);
    }
  http_answer answer;
  receiver to{request, answer};
  handle_->prepare(request, to, headers);
  handle_->error.front() = '\0';
  const auto code = ::curl_easy_perform(handle_->easy);
  if (code == CURLE_OK || (code == CURLE_WRITE_ERROR && answer.is_cut))
    return answer;
  is_tls_failure_ = code == CURLE_SSL_CONNECT_ERROR;
  return failed(handle_->error.front() != '\0' ? handle_->error.data() : ::curl_easy_strerror(code));
}

} // namespace nydus
