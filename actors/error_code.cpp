// SPDX-License-Identifier: Apache-2.0
#include "actors/error_code.hpp"

#include <caf/atom.hpp>
#include <caf/deep_to_string.hpp>
#include <caf/message.hpp>
#include <caf/sec.hpp>

namespace nydus {

namespace {
constexpr auto category = caf::atom("nydus");
} // namespace

caf::error to_error(const failure& why) {
  return caf::error{static_cast<std::uint8_t>(why.code), category, caf::make_message(why.detail)};
}

failure to_failure(const caf::error& error) {
  if (error.category() == category) {
    auto detail = error.context().size() == 1 && error.context().match_elements<std::string>()
                      ? error.context().get_as<std::string>(0)
                      : std::string{};
    return {static_cast<errc>(error.code()), std::move(detail)};
  }
  if (error == caf::sec::request_timeout)
    return {errc::timed_out, "no answer in time"};
  return {errc::abandoned, "whoever should have answered went away (" + caf::deep_to_string(error) + ")"};
}

} // namespace nydus
