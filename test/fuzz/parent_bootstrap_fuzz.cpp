// SPDX-License-Identifier: Apache-2.0
// Property: a layer built over any bootstrap is refused, or is an image that passes every check.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <tuple>

#include "builder/image_builder.hpp"
#include "builder/image_check.hpp"
#include "metadata/rafs_v5/layout.hpp"

using namespace nydus;
using namespace nydus::builder;

namespace {

/// A folder in memory if there is one, with an upper layer to lay over the input.
struct workshop {
  std::string path = "/dev/shm/parent-bootstrap-fuzz-XXXXXX";
  build_settings settings;

  workshop() {
    if (::mkdtemp(path.data()) == nullptr)
      std::abort();
    settings.source = path + "/source";
    settings.bootstrap = path + "/upper";
    settings.blob_directory = path;
    settings.parent_bootstrap = path + "/parent";
    settings.compression = compressor::none;
    settings.chunk_size = 4096;
    settings.thread_count = 1;
    if (std::system(("mkdir -p " + path + "/source/d && echo x >" + path + "/source/d/file && touch " + path +
                     "/source/.wh.gone")
                        .c_str()) != 0)
      std::abort();
  }
  ~workshop() { std::ignore = std::system(("rm -rf " + path).c_str()); }
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const workshop place;
  // As in bootstrap_fuzz: the used bytes of the superblock come first, then what follows it.
  std::vector<std::uint8_t> bytes(rafs_v5::superblock_size);
  std::copy_n(data, std::min<std::size_t>(size, 80), bytes.begin());
  const auto put = [&](std::size_t at, std::uint32_t word) { std::memcpy(bytes.data() + at, &word, 4); };
  put(0, rafs_v5::magic), put(4, rafs_v5::version), put(8, rafs_v5::superblock_size), put(12, 4096);
  put(16, 0x15), put(20, 0); // no compression, blake3, owners
  if (size > 80)
    bytes.insert(bytes.end(), data + 80, data + size);
  bytes.resize(rafs_v5::align8(bytes.size()));
  std::ofstream{place.settings.parent_bootstrap, std::ios::binary}.write(
      reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  if (!build_image(place.settings, {}))
    return 0;
  if (const auto checked = check_image(place.settings.bootstrap, {}); !checked) {
    std::fprintf(stderr, "%s\n", checked.error().detail.c_str());
    std::abort();
  }
  return 0;
}
