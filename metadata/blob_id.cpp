// SPDX-License-Identifier: Apache-2.0
#include "metadata/blob_id.hpp"

namespace nydus {

namespace {

constexpr std::size_t longest_blob_id = 255 - sizeof(".blob.data.chunk_map");

/// Whether the bytes are UTF-8 without control characters; overlong forms and surrogates are let through.
bool is_plain_text(std::string_view text) noexcept {
  std::size_t more = 0; // continuation bytes still to come
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (more != 0) {
      if ((byte & 0xc0) != 0x80)
        return false;
      --more;
    } else if (byte < 0x20 || byte == 0x7f || (byte >= 0x80 && byte < 0xc2) || byte > 0xf4) {
      return false;
    } else if (byte >= 0x80) {
      more = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
    }
  }
  return more == 0;
}

} // namespace

bool is_blob_id(std::string_view id) noexcept {
  return !id.empty() && id.size() <= longest_blob_id && id != "." && id != ".." &&
         id.find('/') == std::string_view::npos && is_plain_text(id);
}

std::string blob_id_of(const std::string& bootstrap_name) {
  return bootstrap_name.substr(0, bootstrap_name.find('.', 1));
}

bool is_placeholder_id(std::string_view id) noexcept {
  return id.size() == 64 && id.find_first_not_of('x') == std::string_view::npos;
}

} // namespace nydus
