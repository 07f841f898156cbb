// SPDX-License-Identifier: Apache-2.0
#include "storage/loose_presence.hpp"

#include <cstring>
#include <new>

namespace nydus {

namespace {

constexpr std::uint64_t first_size = 256; // slots
constexpr std::uint64_t probes = 16;      // slots that are looked at per table

std::uint64_t size_of_table(std::size_t table) noexcept {
  return first_size << table;
}

std::uint64_t key_of(const chunk& named) noexcept {
  std::uint64_t digest = 0;
  std::memcpy(&digest, named.digest.data(), sizeof digest);
  auto key = (named.compressed_offset ^ (named.uncompressed_offset << 24) ^ named.uncompressed_size) *
             0x9e3779b97f4a7c15u;
  key = (key ^ (key >> 32) ^ digest) * 0xd6e8feb86659fd93u;
  key ^= key >> 32;
  return key == 0 ? 1 : key;
}

} // namespace

loose_presence::~loose_presence() {
  for (const auto& table : tables_)
    delete[] table.load(std::memory_order_relaxed);
}

bool loose_presence::contains(const chunk& wanted) const noexcept {
  const auto key = key_of(wanted);
  for (std::size_t i = 0; i < tables_.size(); ++i) {
    const auto* slots = tables_[i].load(std::memory_order_acquire);
    if (slots == nullptr)
      return false;
    for (std::uint64_t probe = 0; probe < probes; ++probe) {
      const auto found = slots[(key + probe) & (size_of_table(i) - 1)].load(std::memory_order_acquire);
      if (found == key)
        return true;
      if (found == 0)
        return false;
    }
  }
  return false;
}

void loose_presence::insert(const chunk& kept) noexcept {
  const auto key = key_of(kept);
  for (std::size_t i = 0; i < tables_.size(); ++i) {
    auto* slots = tables_[i].load(std::memory_order_acquire);
    if (slots == nullptr) {
      auto* fresh = new (std::nothrow) slot[size_of_table(i)]();
      if (fresh == nullptr)
        return;
      if (tables_[i].compare_exchange_strong(slots, fresh, std::memory_order_acq_rel))
        slots = fresh;
      else
        delete[] fresh; // another thread was first
    }
    for (std::uint64_t probe = 0; probe < probes; ++probe) {
      std::uint64_t found = 0;
      if (slots[(key + probe) & (size_of_table(i) - 1)].compare_exchange_strong(found, key,
                                                                                std::memory_order_acq_rel)) {
        count_.fetch_add(1, std::memory_order_relaxed);
        return;
      }
      if (found == key)
        return;
    }
  }
}

} // namespace nydus
