// SPDX-License-Identifier: Apache-2.0
// Runs inside the guest of guest_test.py, linked statically: prints one JSON line per entry below a folder,
// with the keys of harness.describe(), so that the host compares a guest's mount as it compares its own.

#define OPENSSL_SUPPRESS_DEPRECATED // of SHA256_Init; what replaced it would link dlopen and getaddrinfo
                                    // statically
#include <openssl/sha.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>

namespace {

/// Prints why `path` can't be described and ends the program: the host counts that as a failed comparison.
[[noreturn]] void give_up(const char* call, const std::string& path) {
  std::fprintf(stderr, "%s of %s: %s\n", call, path.c_str(), std::strerror(errno));
  std::exit(1);
}

/// `bytes` as a JSON string of Latin-1 characters, one per byte.
std::string json_string(std::string_view bytes) {
  std::string text = "\"";
  for (char byte : bytes) {
    auto code = static_cast<unsigned char>(byte);
    if (code < 0x20 || code > 0x7e || byte == '"' || byte == '\\') {
      std::array<char, 8> escape{};
      std::snprintf(escape.data(), escape.size(), "\\u%04x", code);
      text += escape.data();
    } else {
      text += byte;
    }
  }
  return text + '"';
}

std::string sha256_of_file(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "rb");
  if (file == nullptr)
    give_up("open", path);
  static std::array<char, 1 << 20> bytes; // kept: under emulation a fresh MiB costs more than the file
  SHA256_CTX state;
  SHA256_Init(&state);
  while (std::size_t got = std::fread(bytes.data(), 1, bytes.size(), file))
    SHA256_Update(&state, bytes.data(), got);
  if (std::ferror(file) != 0)
    give_up("read", path);
  std::fclose(file);
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  SHA256_Final(digest.data(), &state);
  std::string text;
  for (unsigned char byte : digest) {
    std::array<char, 3> pair{};
    std::snprintf(pair.data(), pair.size(), "%02x", byte);
    text += pair.data();
  }
  return text;
}

/// `, "xattr": {...}`, or nothing for a path without extended attributes.
std::string attributes_of(const std::string& path) {
  static std::array<char, 1 << 16> names, value;
  auto length = llistxattr(path.c_str(), names.data(), names.size());
  if (length < 0 && errno == ENOTSUP)
    return {};
  if (length < 0)
    give_up("listxattr", path);
  std::string text;
  for (const char* name = names.data(); name < names.data() + length; name += std::strlen(name) + 1) {
    auto size = lgetxattr(path.c_str(), name, value.data(), value.size());
    if (size < 0)
      give_up("getxattr", path);
    text += (text.empty() ? "" : ", ") + json_string(name) + ": " +
            json_string({value.data(), static_cast<std::size_t>(size)});
  }
  return text.empty() ? text : ", \"xattr\": {" + text + "}";
}

void describe(const std::string& path, const std::string& name) {
  struct stat status {};
  if (lstat(path.c_str(), &status) != 0)
    give_up("lstat", path);
  std::printf("{\"path\": %s, \"mode\": \"0o%o\", \"uid\": %u, \"gid\": %u, \"mtime\": %lld",
              json_string(name).c_str(), status.st_mode, status.st_uid, status.st_gid,
              status.st_mtim.tv_sec * 1'000'000'000LL + status.st_mtim.tv_nsec);
  if (!S_ISDIR(status.st_mode))
    std::printf(", \"nlink\": %lu", status.st_nlink);
  if (S_ISREG(status.st_mode))
    std::printf(", \"size\": %lld, \"sha256\": \"%s\"", static_cast<long long>(status.st_size),
                sha256_of_file(path).c_str());
  if (S_ISLNK(status.st_mode)) {
    static std::array<char, 1 << 16> target;
    auto length = readlink(path.c_str(), target.data(), target.size());
    if (length < 0)
      give_up("readlink", path);
    std::printf(", \"target\": %s", json_string({target.data(), static_cast<std::size_t>(length)}).c_str());
  }
  if (S_ISBLK(status.st_mode) || S_ISCHR(status.st_mode))
    std::printf(", \"rdev\": [%u, %u]", major(status.st_rdev), minor(status.st_rdev));
  std::printf("%s}\n", attributes_of(path).c_str());
}

} // namespace

int main(int count, char** arguments) {
  if (count != 2) {
    std::fprintf(stderr, "usage: %s FOLDER\n", arguments[0]);
    return 2;
  }
  std::error_code failure;
  std::filesystem::recursive_directory_iterator entry(arguments[1], failure), end;
  for (; !failure && entry != end; entry.increment(failure))
    describe(entry->path().string(), entry->path().lexically_relative(arguments[1]).string());
  if (failure) {
    std::fprintf(stderr, "walk of %s: %s\n", arguments[1], failure.message().c_str());
    return 1;
  }
  return 0;
}
