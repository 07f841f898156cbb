// SPDX-License-Identifier: Apache-2.0
#include "metadata/digest.hpp"

#include <openssl/evp.h>

#include "blake3.h"

namespace nydus {

struct digest_stream::state {
  digester kind;
  blake3_hasher blake3;
  EVP_MD_CTX* sha256 = nullptr;

  ~state() { EVP_MD_CTX_free(sha256); }
};

digest_stream::digest_stream(digester kind) : state_(std::make_unique<state>()) {
  state_->kind = kind;
  switch (kind) {
  case digester::blake3:
    blake3_hasher_init(&state_->blake3);
    break;
  case digester::sha256:
    state_->sha256 = EVP_MD_CTX_new();
    EVP_DigestInit_ex(state_->sha256, EVP_sha256(), nullptr);
    break;
  }
}

digest_stream::digest_stream(digest_stream&&) noexcept = default;
digest_stream& digest_stream::operator=(digest_stream&&) noexcept = default;
digest_stream::~digest_stream() = default;

void digest_stream::update(std::span<const std::byte> bytes) noexcept {
  switch (state_->kind) {
  case digester::blake3:
    blake3_hasher_update(&state_->blake3, bytes.data(), bytes.size());
    break;
  case digester::sha256:
    EVP_DigestUpdate(state_->sha256, bytes.data(), bytes.size());
    break;
  }
}

digest_bytes digest_stream::finish() noexcept {
  digest_bytes digest{};
  switch (state_->kind) {
  case digester::blake3:
    blake3_hasher_finalize(&state_->blake3, digest.data(), digest.size());
    break;
  case digester::sha256:
    EVP_DigestFinal_ex(state_->sha256, digest.data(), nullptr);
    break;
  }
  return digest;
}

digest_bytes digest_of(digester kind, std::span<const std::byte> bytes) noexcept {
  digest_bytes digest{};
  switch (kind) {
  case digester::blake3: {
    blake3_hasher hasher;
    blake3_hasher_init(&hasher);
    blake3_hasher_update(&hasher, bytes.data(), bytes.size());
    blake3_hasher_finalize(&hasher, digest.data(), digest.size());
    break;
  }
  case digester::sha256:
    EVP_Digest(bytes.data(), bytes.size(), digest.data(), nullptr, EVP_sha256(), nullptr);
    break;
  }
  return digest;
}

std::string to_hex(const digest_bytes& digest) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string text;
  text.reserve(2 * digest.size());
  for (auto byte : digest) {
    text.push_back(digits[byte >> 4]);
    text.push_back(digits[byte & 15]);
  }
  return text;
}

const char* to_string(digester kind) noexcept {
  switch (kind) {
  case digester::blake3:
    return "blake3";
  case digester::sha256:
    return "sha256";
  }
  return "unknown";
}

} // namespace nydus
