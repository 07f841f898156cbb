// SPDX-License-Identifier: Apache-2.0
// Reads the fields of a daemon's answer. All fields that are asked for have to be there and of the right
// kind; the first that is not is remembered, so that a whole answer is read before one looks.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "api/config_value.hpp"

namespace nydus::ctl {

class answer_reader {
public:
  /// `value` has to outlive the reader and its children.
  explicit answer_reader(const config_value& value);

  bool has(const std::string& name) const;
  /// 0, false, empty or as many zeros once anything was wrong.
  std::uint64_t count(const std::string& name);
  double number(const std::string& name);
  bool truth(const std::string& name);
  /// Null is empty. Control characters are replaced: it goes to a terminal.
  std::string text(const std::string& name);
  std::vector<std::string> texts(const std::string& name);
  /// A list of exactly `size` whole numbers.
  std::vector<std::uint64_t> counts(const std::string& name, std::size_t size);
  answer_reader child(const std::string& name);
  /// The objects of a list.
  std::vector<answer_reader> items(const std::string& name);
  /// The objects of an object, by key. Null has none.
  std::vector<std::pair<std::string, answer_reader>> entries(const std::string& name);

  /// The first failure of this reader, its parents and its children: malformed, naming the field.
  const result<void>& outcome() const noexcept { return *outcome_; }

private:
  answer_reader(const config_value* value, std::string path, std::shared_ptr<result<void>> outcome);
  const config_value* find(const std::string& name);
  void refuse(const std::string& name, const std::string& right);
  std::string path_of(const std::string& name) const;

  const config_value::object* object_ = nullptr;
  std::string path_;
  std::shared_ptr<result<void>> outcome_;
};

/// `text` without control characters, so that it cannot steer a terminal.
std::string printable(std::string text);

} // namespace nydus::ctl
