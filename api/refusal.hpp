// SPDX-License-Identifier: Apache-2.0
// The error answers of the API: status, and the words that clients know from the public daemon around a
// reason of our own (contract 3.2). Pure.
#pragma once

#include <string>

#include "api/config_value.hpp"
#include "api/http_messages.hpp"

namespace nydus {

/// Status and {"code":"UNDEFINED","message":...}.
http_answer refusal(int status, const std::string& message);

/// "text", with quotes, backslashes and control characters escaped.
std::string quoted(const std::string& text);

/// Mount(MountFilesystem(Other("detail")))
std::string mount_words(const std::string& detail);

/// The answer to a mount, remount or unmount that failed: 501 not_supported, 503 not_ready, 504 backend, 400
/// wrong state, else 500, also for what the client did wrong: clients expect that of this call.
http_answer mount_refusal(const failure& why);

/// 400 because the body is no JSON or one of its fields is wrong.
http_answer body_refusal(const std::string& detail);
http_answer missing_field(const std::string& field);

/// 400 because a query parameter is missing.
http_answer missing_parameter(const std::string& name);

} // namespace nydus
