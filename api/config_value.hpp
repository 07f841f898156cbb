// SPDX-License-Identifier: Apache-2.0
// A configuration as a tree of values, whether it was JSON or TOML, with errors that name the path of a
// field.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "protocol/result.hpp"

namespace nydus {

class config_value {
public:
  using array = std::vector<config_value>;
  using object = std::map<std::string, config_value>;
  using any = std::variant<std::monostate, bool, std::int64_t, double, std::string, array, object>;

  config_value() = default;
  explicit config_value(any value) : value_(std::move(value)) {}

  static result<config_value> from_json(std::string_view text);
  static result<config_value> from_toml(std::string_view text);

  const any& value() const noexcept { return value_; }
  const object* as_object() const noexcept { return std::get_if<object>(&value_); }
  /// What is there, in words: "string \"abc\"", "number 7".
  std::string describe() const;

private:
  any value_;
};

/// Reads the fields of one object; the first wrong one is remembered. Missing fields and nulls keep their
/// default.
class config_reader {
public:
  /// `value` null: an object without fields. `path`: what messages call it.
  config_reader(const config_value* value, std::string path);

  bool is_present() const noexcept { return object_ != nullptr; }
  const config_value* find(const std::string& name) const;
  config_reader child(const std::string& name);

  void read(const std::string& name, bool& field);
  void read(const std::string& name, std::string& field);
  /// Between `low` and `high`, both allowed.
  void read(const std::string& name, std::uint64_t& field, std::uint64_t low, std::uint64_t high);
  void read(const std::string& name, std::uint32_t& field, std::uint32_t low, std::uint32_t high);
  void read(const std::string& name, std::vector<std::string>& field);
  /// Remembers that `name` is wrong; `right`: what would do.
  void refuse(const std::string& name, const std::string& right);

  /// The first failure of this reader or of its children that were merged by absorb().
  const result<void>& outcome() const noexcept { return outcome_; }
  void absorb(const config_reader& child);

private:
  const config_value::object* object_ = nullptr;
  std::string path_;
  result<void> outcome_;
};

} // namespace nydus
