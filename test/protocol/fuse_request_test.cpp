// SPDX-License-Identifier: Apache-2.0
#include "protocol/fuse/request.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <vector>

#include "protocol/fuse/dirent_packer.hpp"
#include "protocol/fuse/init_handshake.hpp"

using namespace nydus;

TEST_SUITE_BEGIN("protocol/fuse");

namespace {

std::vector<std::byte> request_of(std::uint32_t opcode, const void* body, std::size_t size) {
  fuse_in_header header{};
  header.opcode = opcode;
  header.unique = 77;
  header.nodeid = 5;
  header.len = static_cast<std::uint32_t>(sizeof header + size);
  std::vector<std::byte> bytes(header.len);
  std::memcpy(bytes.data(), &header, sizeof header);
  std::memcpy(bytes.data() + sizeof header, body, size);
  return bytes;
}

} // namespace

TEST_CASE("a read is decoded with its range") {
  fuse_read_in in{};
  in.offset = 4096;
  in.size = 512;
  const auto decoded = fuse::decode(request_of(FUSE_READ, &in, sizeof in));
  REQUIRE(decoded.request_or_failure);
  CHECK(decoded.request_or_failure->unique == 77);
  CHECK(decoded.request_or_failure->nodeid == 5);
  CHECK(decoded.request_or_failure->offset == 4096);
  CHECK(decoded.request_or_failure->size == 512);
}

TEST_CASE("a request that lies is malformed, and still says whom to answer") {
  fuse_read_in in{};
  auto bytes = request_of(FUSE_READ, &in, sizeof in);
  SUBCASE("its body is cut short") {
    bytes = request_of(FUSE_READ, &in, 8);
  }
  SUBCASE("its length is another") {
    bytes.resize(bytes.size() - 1);
  }
  SUBCASE("its name has no end") {
    bytes = request_of(FUSE_LOOKUP, "abc", 3);
  }
  SUBCASE("its name is empty") {
    bytes = request_of(FUSE_LOOKUP, "", 1);
  }
  SUBCASE("its name holds a slash") {
    bytes = request_of(FUSE_LOOKUP, "a/b", 4);
  }
  SUBCASE("its name is too long") {
    const std::string name(256, 'x');
    bytes = request_of(FUSE_LOOKUP, name.c_str(), name.size() + 1);
  }
  const auto decoded = fuse::decode(bytes);
  CHECK(decoded.has_header);
  CHECK(decoded.header.unique == 77);
  REQUIRE(!decoded.request_or_failure);
  CHECK(decoded.request_or_failure.error().code == errc::malformed);
}

TEST_CASE("less than a header answers nobody") {
  CHECK(!fuse::decode(std::vector<std::byte>(39)).has_header);
}

TEST_CASE("INIT takes what it wants of what is offered, in the size that the kernel expects") {
  fuse_init_in in{};
  in.major = 7;
  in.minor = 38;
  in.flags = ~0u;
  in.max_readahead = 131072;
  std::size_t size = 64;
  SUBCASE("a present kernel") {}
  SUBCASE("before 7.23") {
    in.minor = 22, size = 24;
  }
  const auto outcome = fuse::answer_init(request_of(FUSE_INIT, &in, sizeof in));
  REQUIRE(outcome);
  CHECK(outcome->is_settled);
  CHECK(outcome->reply.size() == sizeof(fuse_out_header) + size);
  CHECK(outcome->terms.opens_are_silent());
  CHECK((outcome->terms.flags & FUSE_WRITEBACK_CACHE) == 0);
}

TEST_CASE("INIT of another major version is not settled") {
  fuse_init_in in{};
  in.major = 8;
  const auto outcome = fuse::answer_init(request_of(FUSE_INIT, &in, sizeof in));
  REQUIRE(outcome);
  CHECK(!outcome->is_settled);
  CHECK(!outcome->reply.empty());
}

TEST_CASE("a kernel looks at a directory's time before it believes a listing that it has cached") {
  fuse_init_in in{};
  in.major = 7;
  in.minor = 38;
  in.flags = ~0u;
  const auto outcome = fuse::answer_init(request_of(FUSE_INIT, &in, sizeof in));
  REQUIRE(outcome);
  CHECK((outcome->terms.flags & FUSE_AUTO_INVAL_DATA) != 0);
  CHECK((outcome->terms.flags & FUSE_EXPLICIT_INVAL_DATA) == 0);
}

TEST_CASE("an entry that does not fit is left out whole") {
  fuse::dirent_packer packer{64, false};
  CHECK(packer.add("a", 1, 1, 4, {}));
  CHECK(packer.add("bb", 2, 2, 4, {}));
  CHECK(!packer.add("c", 3, 3, 4, {}));
  CHECK(std::move(packer).take().size() == 64);
}
