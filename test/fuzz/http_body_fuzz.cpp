// SPDX-License-Identifier: Apache-2.0
// Property: no body of a mount request crashes us; an order has settings and a refusal has a status and a
// body.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "api/mount_endpoint.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string body{reinterpret_cast<const char*>(data), size};
  if (body.find("config") != std::string::npos && body.find('/') != std::string::npos)
    return 0; // the oldest form could name a file
  nydus::mount_settings settings;
  for (const auto* method : {"POST", "PUT"})
    for (const auto& query : {std::map<std::string, std::string>{}, {{"mountpoint", "/m"}}}) {
      const auto order = nydus::read_mount_order({method, "/api/v1/mount", query, body}, settings);
      if (const auto* refused = std::get_if<nydus::http_answer>(&order))
        if (refused->status < 400 || refused->body.empty())
          std::abort();
      if (const auto* wanted = std::get_if<nydus::mount_image>(&order))
        if (!wanted->settings)
          std::abort();
    }
  return 0;
}
