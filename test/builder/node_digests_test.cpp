// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include "builder/node_digests.hpp"
#include "test/fakes/small_tree.hpp"

using namespace nydus;
using namespace nydus::builder;

namespace {

digest_bytes joined(digester kind, const std::vector<digest_bytes>& parts) {
  return digest_of(kind, std::as_bytes(std::span{parts}));
}

} // namespace

TEST_SUITE_BEGIN("builder/node_digests");

TEST_CASE("digests are those of spec section 11") {
  for (const auto kind : {digester::blake3, digester::sha256}) {
    chunk_table chunks;
    rafs_v5::chunk_record first{}, second{};
    first.digest[0] = 1;
    second.digest[0] = 2;
    small_tree tree;
    tree.add("/d/file", S_IFREG, 8192).chunks = {chunks.add(first), chunks.add(second)};
    tree.add("/d/link", S_IFLNK, 6).target = "target";
    tree.add("/d/pipe", S_IFIFO);
    tree.add_directory("/empty");
    digest_nodes(tree.root(), chunks, kind);

    const std::string target = "target";
    const auto nothing = joined(kind, {});
    auto* d = find_child(tree.root(), "d");
    CHECK(find_child(*d, "file")->digest == joined(kind, {first.digest, second.digest}));
    CHECK(find_child(*d, "link")->digest == digest_of(kind, std::as_bytes(std::span{target})));
    CHECK(find_child(*d, "pipe")->digest == nothing);
    CHECK(find_child(tree.root(), "empty")->digest == nothing);
    CHECK(tree.root().digest == joined(kind, {d->digest, nothing}));
  }
}

TEST_CASE("what was inherited keeps its digest, but directories are computed anew") {
  chunk_table chunks;
  small_tree tree;
  auto& file = tree.add("/d/file");
  file.is_inherited = file.parent->is_inherited = true;
  file.digest[5] = 9;
  digest_nodes(tree.root(), chunks, digester::blake3);
  CHECK(file.digest[5] == 9);
  CHECK(file.parent->digest == joined(digester::blake3, {file.digest}));
}
