// SPDX-License-Identifier: Apache-2.0
#include "api/http_server.hpp"

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <doctest/doctest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <filesystem>
#include <future>
#include <thread>
#include <vector>

#include "actors/reactor.hpp"
#include "protocol/unique_fd.hpp"

using namespace nydus;
using namespace std::chrono_literals;

namespace {

/// A folder of its own for the socket.
struct socket_place {
  std::string folder = "/tmp/nydus-http-XXXXXX";
  std::string path;
  socket_place() {
    REQUIRE(::mkdtemp(folder.data()) != nullptr);
    path = folder + "/api.sock";
  }
  ~socket_place() { std::filesystem::remove_all(folder); }
};

std::size_t open_files() {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator{"/proc/self/fd"})
    count += entry.path().empty() ? 0 : 1;
  return count;
}

class client {
public:
  explicit client(const std::string& path) : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    is_connected_ = ::connect(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  bool is_connected() const { return is_connected_; }
  bool send(const std::string& text) {
    std::size_t sent = 0;
    while (sent < text.size()) {
      const auto some = ::send(fd_.get(), text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
      if (some <= 0)
        return false;
      sent += static_cast<std::size_t>(some);
    }
    return true;
  }
  /// Head and body of the next answer; empty if the server closed or is silent for `patience`.
  std::string answer(std::chrono::milliseconds patience = 10s) {
    while (true) {
      const auto head_end = buffered_.find("\r\n\r\n");
      if (head_end != std::string::npos) {
        const auto field = buffered_.find("Content-Length: ");
        std::size_t body = 0;
        if (field != std::string::npos && field < head_end)
          body = std::stoul(buffered_.substr(field + 16));
        if (buffered_.size() >= head_end + 4 + body) {
          auto one = buffered_.substr(0, head_end + 4 + body);
          buffered_.erase(0, one.size());
          return one;
        }
      }
      if (!more(patience))
        return {};
    }
  }
  /// True if the server closes the connection within `patience`.
  bool is_closed(std::chrono::milliseconds patience) {
    while (more(patience)) {
    }
    return is_over_;
  }

private:
  bool more(std::chrono::milliseconds patience) {
    pollfd waited{fd_.get(), POLLIN, 0};
    if (::poll(&waited, 1, static_cast<int>(patience.count())) != 1)
      return false;
    char bytes[65536];
    const auto some = ::recv(fd_.get(), bytes, sizeof bytes, 0);
    is_over_ = some <= 0;
    if (some > 0)
      buffered_.append(bytes, static_cast<std::size_t>(some));
    return some > 0;
  }

  unique_fd fd_;
  std::string buffered_;
  bool is_connected_ = false;
  bool is_over_ = false;
};

/// Answers with what was asked: "METHOD path name=value; body size".
void echo(http_request asked, const std::shared_ptr<http_responder>& to) {
  auto text = asked.method + " " + asked.path;
  for (const auto& [name, value] : asked.query)
    text += " " + name + "=" + value + ";";
  to->answer({200, text + " " + std::to_string(asked.body.size())});
}

/// The reactor that the servers of all tests run on.
struct running_reactor {
  caf::actor_system_config config;
  caf::actor_system system{config};
  reactor control{system, "control", -1};
  running_reactor() { control.start(); }
};

/// Never ended: an actor system cannot outlive what CAF's library destroys when the process ends.
running_reactor& running() {
  static auto& one = *new running_reactor;
  return one;
}

result<std::unique_ptr<http_server>> try_start(const std::string& path) {
  return http_server::start(running().system, running().control, path, echo);
}

std::unique_ptr<http_server> start(const std::string& path, http_handler handle = echo) {
  auto server = http_server::start(running().system, running().control, path, std::move(handle));
  REQUIRE(server);
  return std::move(*server);
}

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

} // namespace

TEST_SUITE_BEGIN("api/http_server");

TEST_CASE("a request is handed over decoded, and answered on a connection that stays open") {
  socket_place place;
  const auto server = start(place.path);
  client one{place.path};
  REQUIRE(one.send("GET /api/v1/mount?mountpoint=%2Fa%2Fb+c&id=/raw/slash HTTP/1.1\r\nHost: x\r\n\r\n"));
  const auto first = one.answer();
  CHECK(first.rfind("HTTP/1.1 200 ", 0) == 0);
  CHECK(first.find("Server: Nydus API\r\n") != std::string::npos);
  CHECK(first.find("Content-Type: application/json\r\n") != std::string::npos);
  CHECK(ends_with(first, "GET /api/v1/mount id=/raw/slash; mountpoint=/a/b c; 0"));
  REQUIRE(one.send("PUT http://unix/api/v1/daemon HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"));
  CHECK(ends_with(one.answer(), "PUT /api/v1/daemon 2"));
  REQUIRE(one.send("PUT /x HTTP/1.1\r\n\r\n")); // no Host
  CHECK(ends_with(one.answer(), "PUT /x 0"));
}

TEST_CASE("an answer without a body has no Content-Type") {
  socket_place place;
  const auto server = start(place.path, [](http_request, auto to) { to->answer({204, {}}); });
  client one{place.path};
  REQUIRE(one.send("DELETE / HTTP/1.1\r\nHost: x\r\n\r\n"));
  const auto answer = one.answer();
  CHECK(answer.rfind("HTTP/1.1 204 ", 0) == 0);
  CHECK(answer.find("Content-Type") == std::string::npos);
}

TEST_CASE("chunked bodies, Expect and pipelined requests are understood") {
  socket_place place;
  const auto server = start(place.path);
  client one{place.path};
  REQUIRE(one.send(
      "POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"));
  CHECK(ends_with(one.answer(), "POST /c 5"));
  REQUIRE(one.send("PUT /e HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"));
  CHECK(one.answer().rfind("HTTP/1.1 100 ", 0) == 0);
  REQUIRE(one.send("body"));
  CHECK(ends_with(one.answer(), "PUT /e 4"));
  REQUIRE(one.send("GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\nGET /3 "
                   "HTTP/1.1\r\nHost: x\r\n\r\n"));
  CHECK(ends_with(one.answer(), "GET /1 0"));
  CHECK(ends_with(one.answer(), "GET /2 0"));
  CHECK(ends_with(one.answer(), "GET /3 0"));
}

TEST_CASE("a body of 10 MiB is taken, a longer one is answered 413 and the connection goes on") {
  socket_place place;
  const auto server = start(place.path);
  client one{place.path};
  const auto put = [](std::size_t size) {
    return "PUT /b HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n" +
           std::string(size, 'x');
  };
  REQUIRE(one.send(put(largest_http_body)));
  CHECK(ends_with(one.answer(), "PUT /b " + std::to_string(largest_http_body)));
  REQUIRE(one.send(put(largest_http_body + 1)));
  const auto refused = one.answer();
  CHECK(refused.rfind("HTTP/1.1 413 ", 0) == 0);
  CHECK(refused.find(R"("code":"UNDEFINED")") != std::string::npos);
  REQUIRE(one.send(put(1)));
  CHECK(ends_with(one.answer(), "PUT /b 1"));
}

TEST_CASE("who asks before sending too much is refused before") {
  socket_place place;
  const auto server = start(place.path);
  client one{place.path};
  REQUIRE(one.send("PUT /b HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 99999999\r\n\r\n"));
  CHECK(one.answer().rfind("HTTP/1.1 413 ", 0) == 0);
}

TEST_CASE("a query with a NUL is refused") {
  socket_place place;
  const auto server = start(place.path);
  client one{place.path};
  REQUIRE(one.send("GET /b?mountpoint=/a%00b HTTP/1.1\r\nHost: x\r\n\r\n"));
  CHECK(one.answer().rfind("HTTP/1.1 400 ", 0) == 0);
}

TEST_CASE("300 clients at once are all answered, beside half-sent requests and idle connections") {
  socket_place place;
  const auto server = start(place.path);
  client idle{place.path}, half{place.path}, half_body{place.path};
  REQUIRE(half.send("GET /half HT"));
  REQUIRE(half_body.send("PUT /half HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345"));
  std::vector<client> clients;
  for (int i = 0; i < 300; ++i)
    clients.emplace_back(place.path);
  for (auto& one : clients) {
    REQUIRE(one.is_connected());
    REQUIRE(one.send("GET /all HTTP/1.1\r\nHost: x\r\n\r\n"));
  }
  int answered = 0;
  for (auto& one : clients)
    answered += ends_with(one.answer(), "GET /all 0") ? 1 : 0;
  CHECK(answered == 300);
  REQUIRE(half.send("TP/1.1\r\nHost: x\r\n\r\n"));
  CHECK(ends_with(half.answer(), "GET /half 0"));
  REQUIRE(half_body.send("67890"));
  CHECK(ends_with(half_body.answer(), "PUT /half 10"));
  CHECK_FALSE(idle.is_closed(200ms));
}

TEST_CASE("a slow answer holds up nobody else and may come from another thread") {
  socket_place place;
  std::promise<std::shared_ptr<http_responder>> kept;
  const auto server = start(place.path, [&](http_request asked, std::shared_ptr<http_responder> to) {
    if (asked.path == "/slow")
      kept.set_value(std::move(to));
    else
      echo(std::move(asked), to);
  });
  client slow{place.path}, fast{place.path};
  REQUIRE(slow.send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"));
  auto waiting = kept.get_future().get();
  REQUIRE(fast.send("GET /fast HTTP/1.1\r\nHost: x\r\n\r\n"));
  CHECK(ends_with(fast.answer(), "GET /fast 0"));
  CHECK(slow.answer(50ms).empty());
  std::thread{[&] {
    waiting->answer({200, "late"});
    waiting->answer({200, "twice"});
    waiting.reset();
  }}.join();
  CHECK(ends_with(slow.answer(), "late"));
  REQUIRE(slow.send("GET /after HTTP/1.1\r\nHost: x\r\n\r\n"));
  CHECK(ends_with(slow.answer(), "GET /after 0"));
}

TEST_CASE("a dropped request is answered 500") {
  socket_place place;
  const auto server = start(place.path, [](http_request, auto) {});
  client one{place.path};
  REQUIRE(one.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
  CHECK(one.answer().rfind("HTTP/1.1 500 ", 0) == 0);
}

TEST_CASE("the end answers who still waits, removes the socket and leaves no descriptor") {
  socket_place place;
  (void) running();
  const auto files_before = open_files();
  std::promise<std::shared_ptr<http_responder>> kept;
  {
    auto server = start(place.path, [&](http_request, auto to) { kept.set_value(std::move(to)); });
    struct stat status {};
    REQUIRE(::lstat(place.path.c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0600);
    client waiting{place.path}, idle{place.path}, half{place.path};
    REQUIRE(half.send("GET /half HT"));
    REQUIRE(waiting.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
    auto late = kept.get_future().get();
    server.reset();
    CHECK(waiting.answer().rfind("HTTP/1.1 503 ", 0) == 0);
    CHECK(idle.is_closed(1s));
    CHECK(half.is_closed(1s));
    CHECK_FALSE(std::filesystem::exists(place.path));
    late->answer({200, "too late"}); // of a server that is gone
  }
  CHECK(open_files() == files_before);
}

TEST_CASE("an answer given just before the end is sent") {
  socket_place place;
  for (int i = 0; i < 20; ++i) {
    std::promise<void> answered;
    auto server = start(place.path, [&](http_request, auto to) {
      to->answer({204, {}});
      answered.set_value();
    });
    client one{place.path};
    REQUIRE(one.send("PUT /api/v1/daemon/exit HTTP/1.1\r\nHost: x\r\n\r\n"));
    answered.get_future().get();
    server.reset();
    CHECK(one.answer().rfind("HTTP/1.1 204 ", 0) == 0);
  }
}

TEST_CASE("a client that leaves while it waits harms nobody") {
  socket_place place;
  std::promise<std::shared_ptr<http_responder>> kept;
  bool is_first = true;
  const auto server = start(place.path, [&](http_request asked, auto to) {
    if (std::exchange(is_first, false))
      kept.set_value(std::move(to));
    else
      echo(std::move(asked), to);
  });
  {
    client leaving{place.path};
    REQUIRE(leaving.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
    kept.get_future().get()->answer({200, std::string(1 << 20, 'x')});
  }
  client other{place.path};
  REQUIRE(other.send("GET /still HTTP/1.1\r\nHost: x\r\n\r\n"));
  CHECK(ends_with(other.answer(), "GET /still 0"));
}

TEST_CASE("a stale socket is replaced, another file is not, and a path too long is refused") {
  socket_place place;
  {
    const auto first = start(place.path);
    const auto second = start(place.path); // as after a crash: nobody removed it
    client one{place.path};
    REQUIRE(one.send("GET /2 HTTP/1.1\r\nHost: x\r\n\r\n"));
    CHECK(ends_with(one.answer(), "GET /2 0"));
  }
  std::fclose(std::fopen(place.path.c_str(), "w"));
  CHECK_FALSE(try_start(place.path));
  CHECK(std::filesystem::exists(place.path));
  const auto refused = try_start(place.folder + "/" + std::string(120, 'x'));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().detail.find("1 to 107") != std::string::npos);
}

TEST_SUITE_END();
