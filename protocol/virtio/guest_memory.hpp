// SPDX-License-Identifier: Apache-2.0
// A guest's memory as its VMM shared it: regions of files, mapped here, and the two address spaces that name
// them. Neighbours: vhost_user/negotiation says what to map; split_queue and descriptor_chain translate
// addresses.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "protocol/result.hpp"
#include "protocol/unique_fd.hpp"

namespace nydus::virtio {

/// Where bytes of the guest's memory lie, as the guest's driver sees it.
enum class guest_address : std::uint64_t {};
/// The same in the VMM's own address space: how vhost-user names rings.
enum class user_address : std::uint64_t {};

/// A region as the VMM describes it.
struct memory_region {
  std::uint64_t guest_start = 0; // guest_address
  std::uint64_t size = 0;        // bytes
  std::uint64_t user_start = 0;  // user_address
  std::uint64_t file_offset = 0; // of the region in its file, bytes
  bool operator==(const memory_region&) const = default;
};

/// A region mapped into this process. Unmapped when the last one who holds it lets go.
class mapped_region {
public:
  /// malformed: empty, beyond 64 bits, or larger than its file. unavailable: the kernel refuses, or too many
  /// are mapped.
  static result<std::shared_ptr<const mapped_region>> map(const memory_region& described,
                                                          const unique_fd& file);
  ~mapped_region();
  mapped_region(const mapped_region&) = delete;
  mapped_region& operator=(const mapped_region&) = delete;

  const memory_region& described() const noexcept { return described_; }
  std::byte* begin() const noexcept { return begin_; }

private:
  mapped_region() = default;
  memory_region described_;
  void* mapping_ = nullptr; // starts at the file's start
  std::size_t mapping_size_ = 0;
  std::byte* begin_ = nullptr; // of the region within the mapping
};

/// All regions of one guest. Never changes: adding or removing one makes another map, and whoever works with
/// the old one finishes with it. Threads: any.
///
/// The VMM may cut its file short at any time. What is touched here then reads as zeros
/// (bytes/mapping_guard), and system calls that are given such addresses fail with EFAULT.
class guest_memory {
public:
  using shared = std::shared_ptr<const guest_memory>;

  guest_memory() = default;

  /// malformed if the region overlaps one that is there, in either address space.
  result<shared> with(std::shared_ptr<const mapped_region> added) const;
  /// not_found if no region is described just so (the file offset is not compared).
  result<shared> without(const memory_region& described) const;

  std::size_t region_count() const noexcept { return regions_.size(); }

  /// Appends the places of [start, start + size), which may cross regions that adjoin. Nothing, and false, if
  /// any of it is no memory.
  bool translate(guest_address start, std::size_t size, std::vector<iovec>& places) const;

  /// Copies [start, start + size) to `bytes`. False if any of it is no memory.
  bool copy(guest_address start, std::size_t size, std::vector<std::byte>& bytes) const;

  /// The place of [start, start + size), which must lie in one region; null if it does not.
  std::byte* find(user_address start, std::size_t size) const noexcept;

private:
  /// Calls `use` with each part of [start, start + size); false if any of it is no memory.
  template <class Use>
  bool for_each_part(guest_address start, std::size_t size, Use use) const;

  /// What translating needs of a region, close together.
  struct mapped_place {
    std::uint64_t guest_start;
    std::uint64_t size;
    std::byte* begin;
  };

  std::vector<std::shared_ptr<const mapped_region>> regions_; // by guest address
  std::vector<mapped_place> places_;                          // of regions_, in their order
};

/// Most regions of one guest: what we tell the VMM that it may add.
constexpr std::size_t most_regions = 509;

} // namespace nydus::virtio
