// SPDX-License-Identifier: Apache-2.0
#include "storage/object_store_backend.hpp"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <ctime>

#include "storage/http_ranges.hpp"

namespace nydus {

namespace {

/// Now, as HTTP writes it (RFC 9110 section 5.6.7).
std::string http_date() {
  const auto now = std::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  static constexpr std::array<const char*, 7> days{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::array<const char*, 12> months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  std::array<char, 40> text{}; // not by strftime(), whose names of days depend on the locale
  std::snprintf(text.data(), text.size(), "%s, %02d %s %04d %02d:%02d:%02d GMT",
                days[static_cast<std::size_t>(parts.tm_wday)], parts.tm_mday,
                months[static_cast<std::size_t>(parts.tm_mon)], parts.tm_year + 1900, parts.tm_hour,
                parts.tm_min, parts.tm_sec);
  return text.data();
}

std::string base64_of_hmac_sha1(const std::string& key, const std::string& text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  ::HMAC(::EVP_sha1(), key.data(), static_cast<int>(key.size()),
         reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data(), &size);
  std::array<unsigned char, 2 * EVP_MAX_MD_SIZE> coded{};
  const auto length = ::EVP_EncodeBlock(coded.data(), digest.data(), static_cast<int>(size));
  return {reinterpret_cast<const char*>(coded.data()), static_cast<std::size_t>(length)};
}

class object_store_backend : public blob_backend {
public:
  explicit object_store_backend(const object_store_config& config) : config_(config), ranges_(config.http) {}

  void read(const blob_range& range, read_done done) override {
    done(ranges_.read(range, [&](std::span<std::byte> sink) {
      const auto name = config_.prefix + range.blob_id;
      const auto url = url_of(name);
      const auto answer = ranges_.get(url, range, sink, headers_for(name), signature());
      return answer ? http_ranges::judge(*answer, url, range) : range_attempt::again(answer.error());
    }));
  }

protected:
  const object_store_config& config() const noexcept { return config_; }
  std::string scheme() const { return config_.scheme.empty() ? "https" : config_.scheme; }
  bool is_signed() const noexcept { return !config_.key_id.empty(); }

private:
  virtual std::string url_of(const std::string& name) const = 0;
  virtual std::vector<std::string> headers_for(const std::string& name) const = 0;
  virtual request_signature signature() const = 0;

  const object_store_config config_;
  http_ranges ranges_;
};

class oss_backend final : public object_store_backend {
public:
  using object_store_backend::object_store_backend;

private:
  std::string url_of(const std::string& name) const override {
    return scheme() + "://" + config().bucket + "." + config().endpoint + "/" + name;
  }
  std::vector<std::string> headers_for(const std::string& name) const override {
    const auto date = http_date();
    std::vector<std::string> headers{"Date: " + date};
    if (is_signed()) // method, no MD5, no type, date, no headers of OSS, resource
      headers.push_back("Authorization: OSS " + config().key_id + ":" +
                        base64_of_hmac_sha1(config().key_secret,
                                            "GET\n\n\n" + date + "\n/" + config().bucket + "/" + name));
    return headers;
  }
  request_signature signature() const override { return {}; }
};

class s3_backend final : public object_store_backend {
public:
  using object_store_backend::object_store_backend;

private:
  std::string url_of(const std::string& name) const override {
    return scheme() + "://" + config().endpoint + "/" + config().bucket + "/" + name;
  }
  std::vector<std::string> headers_for(const std::string&) const override { return {}; }
  request_signature signature() const override {
    if (!is_signed())
      return {};
    return {"aws:amz:" + config().region + ":s3", config().key_id, config().key_secret};
  }
};

} // namespace

std::shared_ptr<blob_backend> make_oss_backend(const object_store_config& config) {
  return std::make_shared<oss_backend>(config);
}

std::shared_ptr<blob_backend> make_s3_backend(const object_store_config& config) {
  return std::make_shared<s3_backend>(config);
}

} // namespace nydus
