// SPDX-License-Identifier: Apache-2.0
// Property: no bootstrap of RAFS v6 crashes us, is read behind its end, or keeps a walk from ending.
#include "test/fakes/tiny_image_v6.hpp"
#include "test/fuzz/asked_image.hpp"

using namespace nydus;

namespace {

tiny_image_bytes good() {
  tiny_image wanted{
      .entries = {{.path = "/a", .content = std::string(9000, 'a'), .xattrs = {{"user.x", "y"}}},
                  {.path = "/b", .hard_link_to = "/a"},
                  {.path = "/d/e/name", .content = "f"},
                  {.path = "/d/link", .mode = 0120777, .content = "../a"},
                  {.path = "/null", .mode = 0020666, .device = 0x103}},
      .prefetch = {"/a"}};
  for (int i = 0; i < 36; ++i) // a directory of several blocks
    wanted.entries.push_back({.path = "/many/" + std::string(240, 'n') + std::to_string(i)});
  return make_tiny_image_v6(wanted);
}

} // namespace

/// The fuzzer need not find a good image: it says which bytes of one are others, in threes of place
/// (little-endian) and value.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto image = good();
  std::vector<std::uint8_t> bytes(image.bootstrap.begin(), image.bootstrap.end());
  for (; size >= 3; data += 3, size -= 3)
    bytes[(data[0] | std::size_t{data[1]} << 8) % bytes.size()] = data[2];
  static const auto numbers = [] {
    std::vector<std::uint64_t> some;
    for (const auto* path : {"/", "/a", "/b", "/d", "/d/e", "/d/e/name", "/d/link", "/null", "/many"})
      some.push_back(image.inode_numbers.at(path));
    some.push_back(some.back() + 1); // what is no inode's start
    return some;
  }();
  ask_image(bytes, numbers);
  return 0;
}
