// SPDX-License-Identifier: Apache-2.0
#include "api/nydusctl/answer_reader.hpp"

namespace nydus::ctl {

answer_reader::answer_reader(const config_value& value)
    : answer_reader(&value, {}, std::make_shared<result<void>>()) {}

answer_reader::answer_reader(const config_value* value, std::string path,
                             std::shared_ptr<result<void>> outcome)
    : path_(std::move(path)), outcome_(std::move(outcome)) {
  if (value == nullptr)
    return;
  object_ = value->as_object();
  if (object_ == nullptr && *outcome_)
    *outcome_ = failure{errc::malformed,
                        "the daemon's answer is not understood: " + (path_.empty() ? "all of it" : path_) +
                            " is " + printable(value->describe()) + "; an object is right"};
}

std::string answer_reader::path_of(const std::string& name) const {
  return path_.empty() ? name : path_ + "." + name;
}

void answer_reader::refuse(const std::string& name, const std::string& right) {
  if (!*outcome_)
    return;
  const auto found = object_->find(name);
  *outcome_ = failure{errc::malformed,
                      "the daemon's answer is not understood: " + path_of(name) + " is " +
                          (found == object_->end() ? "missing" : printable(found->second.describe())) + "; " +
                          right + " is right"};
}

bool answer_reader::has(const std::string& name) const {
  return object_ != nullptr && object_->contains(name);
}

/// The field; null once anything is wrong.
const config_value* answer_reader::find(const std::string& name) {
  if (!*outcome_ || object_ == nullptr)
    return nullptr;
  const auto found = object_->find(name);
  if (found != object_->end())
    return &found->second;
  refuse(name, "a value");
  return nullptr;
}

std::uint64_t answer_reader::count(const std::string& name) {
  const auto* value = find(name);
  if (value == nullptr)
    return 0;
  const auto* number = std::get_if<std::int64_t>(&value->value());
  if (number != nullptr && *number >= 0)
    return static_cast<std::uint64_t>(*number);
  refuse(name, "a whole number");
  return 0;
}

double answer_reader::number(const std::string& name) {
  const auto* value = find(name);
  if (value == nullptr)
    return 0;
  if (const auto* whole = std::get_if<std::int64_t>(&value->value()))
    return static_cast<double>(*whole);
  if (const auto* real = std::get_if<double>(&value->value()))
    return *real;
  refuse(name, "a number");
  return 0;
}

bool answer_reader::truth(const std::string& name) {
  const auto* value = find(name);
  if (value == nullptr)
    return false;
  if (const auto* truth = std::get_if<bool>(&value->value()))
    return *truth;
  refuse(name, "true or false");
  return false;
}

std::string answer_reader::text(const std::string& name) {
  const auto* value = find(name);
  if (value == nullptr || std::holds_alternative<std::monostate>(value->value()))
    return {};
  if (const auto* text = std::get_if<std::string>(&value->value()))
    return printable(*text);
  refuse(name, "a string");
  return {};
}

std::vector<std::string> answer_reader::texts(const std::string& name) {
  std::vector<std::string> all;
  const auto* value = find(name);
  if (value == nullptr)
    return all;
  const auto* list = std::get_if<config_value::array>(&value->value());
  if (list == nullptr)
    refuse(name, "a list of strings");
  else
    for (const auto& one : *list)
      if (const auto* text = std::get_if<std::string>(&one.value()))
        all.push_back(printable(*text));
      else
        refuse(name, "a list of strings");
  return all;
}

std::vector<std::uint64_t> answer_reader::counts(const std::string& name, std::size_t size) {
  std::vector<std::uint64_t> all;
  if (const auto* value = find(name)) {
    if (const auto* list = std::get_if<config_value::array>(&value->value()))
      for (const auto& one : *list)
        if (const auto* number = std::get_if<std::int64_t>(&one.value()); number != nullptr && *number >= 0)
          all.push_back(static_cast<std::uint64_t>(*number));
    if (all.size() != size)
      refuse(name, "a list of " + std::to_string(size) + " whole numbers");
  }
  all.resize(size);
  return all;
}

answer_reader answer_reader::child(const std::string& name) {
  return {find(name), path_of(name), outcome_};
}

std::vector<answer_reader> answer_reader::items(const std::string& name) {
  std::vector<answer_reader> all;
  const auto* value = find(name);
  if (value == nullptr)
    return all;
  const auto* list = std::get_if<config_value::array>(&value->value());
  if (list == nullptr) {
    refuse(name, "a list");
    return all;
  }
  for (const auto& one : *list)
    all.push_back({&one, path_of(name) + "[" + std::to_string(all.size()) + "]", outcome_});
  return all;
}

std::vector<std::pair<std::string, answer_reader>> answer_reader::entries(const std::string& name) {
  std::vector<std::pair<std::string, answer_reader>> all;
  const auto* value = find(name);
  if (value == nullptr || std::holds_alternative<std::monostate>(value->value()))
    return all;
  const auto* object = value->as_object();
  if (object == nullptr) {
    refuse(name, "an object");
    return all;
  }
  for (const auto& [key, one] : *object)
    all.emplace_back(printable(key), answer_reader{&one, path_of(name) + "." + printable(key), outcome_});
  return all;
}

std::string printable(std::string text) {
  for (auto& c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      c = '?';
  return text;
}

} // namespace nydus::ctl
