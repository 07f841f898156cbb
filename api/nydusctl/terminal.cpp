// SPDX-License-Identifier: Apache-2.0
#include "api/nydusctl/terminal.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <string_view>

namespace nydus::ctl {

namespace {

constexpr std::string_view enter = "\x1b[?1049h\x1b[?25l"; // the other screen, no cursor
constexpr std::string_view leave = "\x1b[?25h\x1b[?1049l";
constexpr char control_c = 3;

void put(std::string_view text) {
  while (!text.empty()) {
    const auto written = ::write(STDOUT_FILENO, text.data(), text.size());
    if (written <= 0)
      return;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

winsize size_now() {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0 || size.ws_col == 0)
    size = {24, 80, 0, 0};
  return size;
}

/// The first `columns` code points.
std::string_view cut(std::string_view line, std::size_t columns) {
  std::size_t end = 0;
  for (std::size_t count = 0; end < line.size(); ++end)
    if ((static_cast<unsigned char>(line[end]) & 0xc0) != 0x80 && ++count > columns)
      break;
  return line.substr(0, end);
}

} // namespace

result<terminal> terminal::take() {
  termios before{};
  if (::isatty(STDOUT_FILENO) == 0 || ::tcgetattr(STDIN_FILENO, &before) != 0)
    return failure{errc::unavailable, "there is no terminal to draw on; --once prints one screen"};
  terminal taken{before};
  sigset_t ending;
  ::sigemptyset(&ending);
  for (const auto signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT})
    ::sigaddset(&ending, signal);
  ::sigprocmask(SIG_BLOCK, &ending, nullptr);
  taken.signals_ = unique_fd{::signalfd(-1, &ending, SFD_CLOEXEC)};
  auto raw = before;
  // Ctrl-C comes as a key; Ctrl-Z would leave the screen as it is.
  raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO | ISIG);
  ::tcsetattr(STDIN_FILENO, TCSANOW, &raw);
  taken.is_taken_ = true;
  put(enter);
  return taken;
}

terminal::terminal(terminal&& other) noexcept
    : before_(other.before_), signals_(std::move(other.signals_)),
      is_taken_(std::exchange(other.is_taken_, false)) {}

terminal::~terminal() {
  if (!is_taken_)
    return;
  put(leave);
  ::tcsetattr(STDIN_FILENO, TCSANOW, &before_);
}

std::size_t terminal::height() const {
  return size_now().ws_row;
}

void terminal::draw(const std::vector<std::string>& lines) const {
  const auto size = size_now();
  std::string text = "\x1b[H";
  for (std::size_t i = 0; i < lines.size() && i < size.ws_row; ++i) {
    text += i == 0 ? "" : "\r\n";
    text += i == 0 ? "\x1b[7m" : "";
    text += cut(lines[i], size.ws_col);
    text += "\x1b[0m\x1b[K";
  }
  put(text + "\x1b[J");
}

bool terminal::wait(int milliseconds) const {
  using clock = std::chrono::steady_clock;
  const auto until = clock::now() + std::chrono::milliseconds{milliseconds};
  while (true) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - clock::now()).count();
    if (left <= 0)
      return true;
    std::array<pollfd, 2> waited{{{STDIN_FILENO, POLLIN, 0}, {signals_.get(), POLLIN, 0}}};
    if (::poll(waited.data(), waited.size(), static_cast<int>(left)) < 0)
      continue;
    if (waited[1].revents != 0)
      return false;
    char key = 0;
    if (waited[0].revents != 0 && (::read(STDIN_FILENO, &key, 1) != 1 || key == 'q' || key == control_c))
      return false;
  }
}

} // namespace nydus::ctl
