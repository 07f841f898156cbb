// SPDX-License-Identifier: Apache-2.0
#include "api/config_value.hpp"

#include <simdjson.h>
#include <toml++/toml.h>

#include <sstream>

namespace nydus {

namespace {

config_value from_element(simdjson::dom::element element) {
  using simdjson::dom::element_type;
  switch (element.type()) {
  case element_type::OBJECT: {
    config_value::object object;
    for (const auto [key, value] : simdjson::dom::object(element))
      object[std::string{key}] = from_element(value);
    return config_value{std::move(object)};
  }
  case element_type::ARRAY: {
    config_value::array array;
    for (const auto value : simdjson::dom::array(element))
      array.push_back(from_element(value));
    return config_value{std::move(array)};
  }
  case element_type::STRING:
    return config_value{std::string{std::string_view(element)}};
  case element_type::INT64:
    return config_value{std::int64_t{element}};
  case element_type::UINT64:
    return config_value{static_cast<double>(std::uint64_t{element})}; // beyond int64: out of any range
  case element_type::DOUBLE:
    return config_value{double{element}};
  case element_type::BOOL:
    return config_value{bool{element}};
  case element_type::NULL_VALUE:
    break;
  }
  return {};
}

config_value from_node(const toml::node& node) {
  if (const auto* table = node.as_table()) {
    config_value::object object;
    for (const auto& [key, value] : *table)
      object[std::string{key.str()}] = from_node(value);
    return config_value{std::move(object)};
  }
  if (const auto* list = node.as_array()) {
    config_value::array array;
    for (const auto& value : *list)
      array.push_back(from_node(value));
    return config_value{std::move(array)};
  }
  if (const auto* text = node.as_string())
    return config_value{text->get()};
  if (const auto* number = node.as_integer())
    return config_value{number->get()};
  if (const auto* number = node.as_floating_point())
    return config_value{number->get()};
  if (const auto* truth = node.as_boolean())
    return config_value{truth->get()};
  return {};
}

} // namespace

result<config_value> config_value::from_json(std::string_view text) {
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  if (const auto error = parser.parse(text.data(), text.size()).get(root); error != simdjson::SUCCESS)
    return failure{errc::malformed, simdjson::error_message(error)};
  return from_element(root);
}

result<config_value> config_value::from_toml(std::string_view text) {
  try {
    return from_node(toml::parse(text));
  } catch (const toml::parse_error& why) {
    return failure{errc::malformed,
                   std::string{why.description()} + ", line " + std::to_string(why.source().begin.line)};
  }
}

std::string config_value::describe() const {
  struct words {
    std::string operator()(std::monostate) const { return "null"; }
    std::string operator()(bool truth) const { return truth ? "true" : "false"; }
    std::string operator()(std::int64_t number) const { return "number " + std::to_string(number); }
    std::string operator()(double number) const { return "number " + std::to_string(number); }
    std::string operator()(const std::string& text) const { return "string \"" + text.substr(0, 80) + "\""; }
    std::string operator()(const array&) const { return "a list"; }
    std::string operator()(const object&) const { return "an object"; }
  };
  return std::visit(words{}, value_);
}

config_reader::config_reader(const config_value* value, std::string path) : path_(std::move(path)) {
  if (value == nullptr || std::holds_alternative<std::monostate>(value->value()))
    return;
  object_ = value->as_object();
  if (object_ == nullptr)
    outcome_ = failure{errc::malformed, (path_.empty() ? "all of it" : path_) + " is " + value->describe() +
                                            "; an object is right"};
}

const config_value* config_reader::find(const std::string& name) const {
  if (object_ == nullptr)
    return nullptr;
  const auto found = object_->find(name);
  return found == object_->end() || std::holds_alternative<std::monostate>(found->second.value())
             ? nullptr
             : &found->second;
}

config_reader config_reader::child(const std::string& name) {
  config_reader inner{find(name), path_.empty() ? name : path_ + "." + name};
  absorb(inner);
  return inner;
}

void config_reader::absorb(const config_reader& child) {
  if (outcome_ && !child.outcome_)
    outcome_ = child.outcome_.error();
}

void config_reader::refuse(const std::string& name, const std::string& right) {
  if (!outcome_)
    return;
  const auto* value = find(name);
  outcome_ = failure{errc::malformed, (path_.empty() ? name : path_ + "." + name) + " is " +
                                          (value != nullptr ? value->describe() : "missing") + "; " + right +
                                          " is right"};
}

void config_reader::read(const std::string& name, bool& field) {
  if (const auto* value = find(name)) {
    if (const auto* truth = std::get_if<bool>(&value->value()))
      field = *truth;
    else
      refuse(name, "true or false");
  }
}

void config_reader::read(const std::string& name, std::string& field) {
  if (const auto* value = find(name)) {
    const auto* text = std::get_if<std::string>(&value->value());
    if (text != nullptr && text->find('\0') == std::string::npos)
      field = *text;
    else
      refuse(name, "a string without NUL");
  }
}

void config_reader::read(const std::string& name, std::uint64_t& field, std::uint64_t low,
                         std::uint64_t high) {
  if (const auto* value = find(name)) {
    const auto* number = std::get_if<std::int64_t>(&value->value());
    if (number != nullptr && *number >= 0 && static_cast<std::uint64_t>(*number) >= low &&
        static_cast<std::uint64_t>(*number) <= high)
      field = static_cast<std::uint64_t>(*number);
    else
      refuse(name, "a whole number from " + std::to_string(low) + " to " + std::to_string(high));
  }
}

void config_reader::read(const std::string& name, std::uint32_t& field, std::uint32_t low,
                         std::uint32_t high) {
  std::uint64_t wide = field;
  read(name, wide, low, high);
  field = static_cast<std::uint32_t>(wide);
}

void config_reader::read(const std::string& name, std::vector<std::string>& field) {
  if (const auto* value = find(name)) {
    const auto* list = std::get_if<config_value::array>(&value->value());
    if (list == nullptr)
      return refuse(name, "a list of strings");
    field.clear();
    for (const auto& one : *list) {
      const auto* text = std::get_if<std::string>(&one.value());
      if (text == nullptr || text->find('\0') != std::string::npos)
        return refuse(name, "a list of strings without NUL");
      field.push_back(*text);
    }
  }
}

} // namespace nydus
