// SPDX-License-Identifier: Apache-2.0
// The user's terminal while a screen is drawn on it: keys come one by one, and all is as before when it ends,
// also by a signal.
#pragma once

#include <termios.h>

#include <string>
#include <vector>

#include "protocol/result.hpp"
#include "protocol/unique_fd.hpp"

namespace nydus::ctl {

class terminal {
public:
  /// Takes standard input and output. unavailable, if one of them is no terminal.
  static result<terminal> take();
  terminal(terminal&& other) noexcept;
  terminal& operator=(terminal&&) = delete;
  ~terminal();

  std::size_t height() const;
  /// Cut at the width; the first line stands out.
  void draw(const std::vector<std::string>& lines) const;
  /// Waits; false once the user wants to end: q, Ctrl-C or a signal.
  bool wait(int milliseconds) const;

private:
  explicit terminal(const termios& before) : before_(before) {}
  termios before_;
  unique_fd signals_;
  bool is_taken_ = false;
};

} // namespace nydus::ctl
