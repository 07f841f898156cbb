// SPDX-License-Identifier: Apache-2.0
// A file that is there whole or not at all: written beside its place and moved there at the end. A fifo or
// device is written as it is.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "metadata/digest.hpp"
#include "protocol/bytes/owned_bytes.hpp"
#include "protocol/result.hpp"
#include "protocol/unique_fd.hpp"

namespace nydus::builder {

/// Threads: one. What was not published is gone when it dies. Failures name the path.
class output_file {
public:
  /// For `path`. A fifo is opened at the first write, which waits for its reader.
  static result<output_file> at(const std::string& path);
  /// For a name in `directory` that publish() tells.
  static result<output_file> in(const std::string& directory);

  output_file(output_file&& other) noexcept;
  output_file& operator=(output_file&&) = delete;
  ~output_file();

  result<void> write(std::span<const std::byte> bytes);
  std::uint64_t size() const noexcept { return size_; }
  /// Hex of the SHA-256 of all that was written; call once, then write no more.
  std::string finish_digest() { return to_hex(digest_.finish()); }
  /// Puts the file in its place; `name`: of in() only. Gives its path.
  result<std::string> publish(const std::string& name = {});
  /// There is nothing to publish. As the public builder: an older file at the path goes away. The reader of a
  /// fifo gets its end.
  result<void> abandon();

private:
  output_file(std::string directory, std::string path);
  result<void> open_temporary();
  result<void> open_in_place();
  result<void> flush();
  result<void> write_through(std::span<const std::byte> bytes);

  std::string directory_;
  std::string path_;      // empty: in()
  std::string temporary_; // empty: written in place, or published
  unique_fd file_;
  owned_bytes buffer_;
  std::size_t buffered_ = 0;
  std::uint64_t size_ = 0;
  digest_stream digest_{digester::sha256};
};

} // namespace nydus::builder
