// SPDX-License-Identifier: Apache-2.0
#include "api/backend_fields.hpp"

#include <openssl/evp.h>

#include <vector>

namespace nydus {

namespace {

constexpr std::uint32_t longest_timeout = 3600; // seconds
constexpr std::uint32_t most_retries = 100;

std::string base64_of(const std::string& text) {
  std::string coded((text.size() + 2) / 3 * 4 + 1, '\0');
  const auto size =
      ::EVP_EncodeBlock(reinterpret_cast<unsigned char*>(coded.data()),
                        reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()));
  coded.resize(static_cast<std::size_t>(size));
  return coded;
}

/// Seconds; 0 is what clients write for "as usual".
void read_timeout(config_reader& fields, const std::string& name, std::uint32_t& timeout) {
  auto asked = timeout;
  fields.read(name, asked, 0, longest_timeout);
  if (asked != 0)
    timeout = asked;
}

void read_proxy(config_reader& fields, proxy_config& proxy) {
  if (const auto* value = fields.find("proxy"); value != nullptr && value->as_object() == nullptr) {
    fields.read("proxy", proxy.url); // of 2021 and before
    fields.read("proxy_fallback", proxy.has_fallback);
    fields.read("proxy_check_interval", proxy.check_interval, 0, longest_timeout);
  } else {
    auto child = fields.child("proxy");
    child.read("url", proxy.url);
    child.read("fallback", proxy.has_fallback);
    child.read("check_interval", proxy.check_interval, 0, longest_timeout);
    child.read("use_http", proxy.uses_http);
    fields.absorb(child);
  }
  if (!proxy.url.empty() && !proxy.url.starts_with("http://") && !proxy.url.starts_with("https://"))
    fields.refuse("proxy", "a URL that begins with http:// or https://");
}

void read_scheme(config_reader& fields, const std::string& name, std::string& scheme) {
  fields.read(name, scheme);
  if (!scheme.empty() && scheme != "http" && scheme != "https")
    fields.refuse(name, "\"http\" or \"https\"");
}

void read_http(config_reader& fields, http_config& http) {
  fields.read("skip_verify", http.skips_verify);
  fields.read("ca_cert_files", http.ca_cert_files);
  read_timeout(fields, "timeout", http.timeout);
  read_timeout(fields, "connect_timeout", http.connect_timeout);
  fields.read("retry_limit", http.retry_limit, 0, most_retries);
  read_proxy(fields, http.proxy);
}

} // namespace

bool is_basic_auth(const std::string& text) {
  if (text.empty() || text.size() % 4 != 0 || text.size() > 8192)
    return false;
  std::vector<unsigned char> plain(text.size() / 4 * 3);
  const auto size = ::EVP_DecodeBlock(plain.data(), reinterpret_cast<const unsigned char*>(text.data()),
                                      static_cast<int>(text.size()));
  if (size < 0)
    return false;
  const std::string_view pair{reinterpret_cast<const char*>(plain.data()), static_cast<std::size_t>(size)};
  return pair.find(':') != std::string_view::npos && pair.find_first_of("\r\n") == std::string_view::npos;
}

namespace {

void read_localfs(config_reader& fields, localfs_config& localfs) {
  fields.read("blob_file", localfs.blob_file);
  fields.read("dir", localfs.directory);
  fields.read("alt_dirs", localfs.other_directories);
  if (localfs.blob_file.empty() && localfs.directory.empty())
    fields.refuse("dir", "the directory of the blobs (or blob_file, one file)");
}

void refuse_if_no_host(config_reader& fields, const std::string& name, const std::string& host) {
  if (host.empty() || host.find_first_of("/?#@ \t\r\n") != std::string::npos)
    fields.refuse(name, "the server's name, with a port if need be");
}

void read_registry(config_reader& fields, registry_config& registry) {
  read_scheme(fields, "scheme", registry.scheme);
  fields.read("host", registry.host);
  fields.read("repo", registry.repo);
  fields.read("auth", registry.auth);
  fields.read("registry_token", registry.token);
  read_scheme(fields, "blob_url_scheme", registry.blob_url_scheme);
  fields.read("blob_redirected_host", registry.blob_redirected_host);
  read_http(fields, registry.http);
  if (const auto at = registry.host.rfind('@'); at != std::string::npos) { // user:password@host, as of 2020
    registry.auth = base64_of(registry.host.substr(0, at));
    registry.host.erase(0, at + 1);
  }
  refuse_if_no_host(fields, "host", registry.host);
  if (registry.repo.find_first_of("?# \t\r\n") != std::string::npos)
    fields.refuse("repo", "the repository's path");
  if (!registry.auth.empty() && !is_basic_auth(registry.auth))
    fields.refuse("auth", "base64 of user:password");
  if (registry.token.find_first_of("\r\n") != std::string::npos)
    fields.refuse("registry_token", "a token of one line");
}

void read_object_store(config_reader& fields, bool is_s3, object_store_config& objects) {
  read_scheme(fields, "scheme", objects.scheme);
  if (is_s3)
    objects.endpoint = "s3.amazonaws.com";
  fields.read("endpoint", objects.endpoint);
  fields.read("region", objects.region);
  fields.read("bucket_name", objects.bucket);
  fields.read("object_prefix", objects.prefix);
  fields.read("access_key_id", objects.key_id);
  fields.read("access_key_secret", objects.key_secret);
  read_http(fields, objects.http);
  for (const std::string scheme : {"http", "https"})
    if (objects.endpoint.starts_with(scheme + "://")) {
      objects.scheme = scheme;
      objects.endpoint.erase(0, scheme.size() + 3);
    }
  refuse_if_no_host(fields, "endpoint", objects.endpoint);
  if (is_s3 && (objects.region.empty() || objects.region.find_first_of(": \t\r\n") != std::string::npos))
    fields.refuse("region", "the bucket's region");
  if (objects.bucket.empty() || objects.bucket.find_first_of("/?#@ \t\r\n") != std::string::npos)
    fields.refuse("bucket_name", "the bucket's name");
  if (objects.prefix.find_first_of("?#% \t\r\n") != std::string::npos)
    fields.refuse("object_prefix", "what all names begin with, without '?', '#', '%' and blanks");
  if (objects.key_id.find_first_of(": \t\r\n") != std::string::npos)
    fields.refuse("access_key_id", "the id of a key");
}

} // namespace

void read_backend_fields(config_reader& fields, backend_config& backend) {
  if (backend.kind == "localfs")
    read_localfs(fields, backend.localfs);
  else if (backend.kind == "registry")
    read_registry(fields, backend.registry);
  else if (backend.kind == "oss" || backend.kind == "s3")
    read_object_store(fields, backend.kind == "s3", backend.objects);
}

} // namespace nydus
