// SPDX-License-Identifier: Apache-2.0
#include "builder/chunk_dictionary.hpp"

#include <algorithm>

#include "builder/parent_image.hpp"

namespace nydus::builder {

result<chunk_dictionary> chunk_dictionary::load(const build_settings& settings) {
  chunk_dictionary dictionary;
  if (settings.chunk_dictionary.empty())
    return dictionary;
  file_tree tree;
  auto blobs = load_image(settings.chunk_dictionary, settings, tree, dictionary.known_);
  if (!blobs)
    return failure{blobs.error().code, "chunk dictionary " + blobs.error().detail};
  dictionary.blobs_ = std::move(*blobs);
  dictionary.used_.resize(dictionary.known_.size());
  return dictionary;
}

std::optional<std::uint32_t> chunk_dictionary::find(const digest_bytes& digest,
                                                    std::uint32_t uncompressed_size, chunk_table& chunks,
                                                    std::vector<image_blob>& blobs) {
  const auto found = known_.find(digest, uncompressed_size);
  if (!found)
    return std::nullopt;
  auto& position = used_[*found];
  if (!position) {
    auto record = known_[*found];
    const auto& held_by = blobs_[record.blob_index];
    auto at = std::find_if(blobs.begin(), blobs.end(), [&](const auto& one) { return one.id == held_by.id; });
    if (at == blobs.end())
      at = blobs.insert(blobs.end(), held_by);
    record.blob_index = static_cast<std::uint32_t>(at - blobs.begin());
    position = chunks.add(record);
  }
  return position;
}

} // namespace nydus::builder
