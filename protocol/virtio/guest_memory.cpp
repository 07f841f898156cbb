// SPDX-License-Identifier: Apache-2.0
#include "protocol/virtio/guest_memory.hpp"

#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <string>

#include "protocol/bytes/mapping_guard.hpp"

namespace nydus::virtio {

namespace {

constexpr auto highest = std::numeric_limits<std::uint64_t>::max();

std::string shown(const memory_region& region) {
  return "memory region of " + std::to_string(region.size) + " bytes at guest address " +
         std::to_string(region.guest_start);
}

bool overlap(std::uint64_t a, std::uint64_t a_size, std::uint64_t b, std::uint64_t b_size) noexcept {
  return a < b + b_size && b < a + a_size; // neither end wraps: mapped_region checked that
}

/// Bytes of a page of the file's file system: huge ones are mapped, unmapped and replaced whole.
result<std::size_t> page_size_of(int fd) {
  struct statfs status {};
  if (::fstatfs(fd, &status) != 0)
    return system_failure("statfs guest memory", errno);
  return static_cast<std::size_t>(status.f_type == HUGETLBFS_MAGIC ? status.f_bsize
                                                                   : ::sysconf(_SC_PAGESIZE));
}

} // namespace

result<std::shared_ptr<const mapped_region>> mapped_region::map(const memory_region& described,
                                                                const unique_fd& file) {
  if (described.size == 0 || described.guest_start > highest - described.size ||
      described.user_start > highest - described.size || described.file_offset > highest / 4 ||
      described.size > highest / 4)
    return failure{errc::malformed, shown(described) + " does not fit 64 bits"};
  struct stat status {};
  if (::fstat(file.get(), &status) != 0)
    return system_failure("stat guest memory", errno);
  const auto end = described.file_offset + described.size;
  if (!S_ISREG(status.st_mode) || static_cast<std::uint64_t>(status.st_size) < end)
    return failure{errc::malformed, shown(described) + " ends at " + std::to_string(end) + " of a file of " +
                                        std::to_string(status.st_size) + " bytes"};
  const auto page_size = page_size_of(file.get());
  if (!page_size)
    return page_size.error();
  std::shared_ptr<mapped_region> region{new mapped_region};
  region->described_ = described;
  const auto size = (end + *page_size - 1) / *page_size * *page_size;
  auto* mapping = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, file.get(), 0);
  if (mapping == MAP_FAILED)
    return system_failure("map " + shown(described), errno);
  region->mapping_ = mapping;
  region->mapping_size_ = size;
  region->begin_ = static_cast<std::byte*>(mapping) + described.file_offset;
  ::madvise(mapping, size, MADV_DONTDUMP);
  if (!guard_mapping(mapping, size, *page_size))
    return failure{errc::unavailable, shown(described) + ": too many files are mapped"};
  return std::shared_ptr<const mapped_region>{std::move(region)};
}

mapped_region::~mapped_region() {
  if (mapping_ == nullptr)
    return;
  unguard_mapping(mapping_);
  ::munmap(mapping_, mapping_size_);
}

result<guest_memory::shared> guest_memory::with(std::shared_ptr<const mapped_region> added) const {
  const auto& it = added->described();
  if (regions_.size() >= most_regions)
    return failure{errc::malformed, shown(it) + ": there are " + std::to_string(most_regions) + " already"};
  for (const auto& other : regions_) {
    const auto& there = other->described();
    if (overlap(it.guest_start, it.size, there.guest_start, there.size) ||
        overlap(it.user_start, it.size, there.user_start, there.size))
      return failure{errc::malformed, shown(it) + " overlaps the " + shown(there)};
  }
  auto changed = std::make_shared<guest_memory>(*this);
  const auto place = std::upper_bound(
      changed->regions_.begin(), changed->regions_.end(), it.guest_start,
      [](std::uint64_t start, const auto& one) { return start < one->described().guest_start; });
  changed->places_.insert(changed->places_.begin() + (place - changed->regions_.begin()),
                          {it.guest_start, it.size, added->begin()});
  changed->regions_.insert(place, std::move(added));
  return shared{std::move(changed)};
}

result<guest_memory::shared> guest_memory::without(const memory_region& described) const {
  auto changed = std::make_shared<guest_memory>(*this);
  const auto found = std::find_if(regions_.begin(), regions_.end(), [&](const auto& one) {
    const auto& there = one->described();
    return there.guest_start == described.guest_start && there.user_start == described.user_start &&
           there.size == described.size;
  });
  if (found == regions_.end())
    return failure{errc::not_found, shown(described) + " is not there to be removed"};
  const auto index = found - regions_.begin();
  changed->regions_.erase(changed->regions_.begin() + index);
  changed->places_.erase(changed->places_.begin() + index);
  return shared{std::move(changed)};
}

template <class Use>
bool guest_memory::for_each_part(guest_address start, std::size_t size, Use use) const {
  auto address = static_cast<std::uint64_t>(start);
  if (size > highest - address)
    return false;
  auto here = std::upper_bound(
      places_.begin(), places_.end(), address,
      [](std::uint64_t wanted, const mapped_place& one) { return wanted < one.guest_start; });
  if (here != places_.begin())
    --here;
  for (; size > 0; ++here) {
    if (here == places_.end() || address < here->guest_start || address - here->guest_start >= here->size)
      return false;
    const auto within = address - here->guest_start;
    const auto part = std::min<std::uint64_t>(size, here->size - within);
    use(here->begin + within, part);
    address += part;
    size -= part;
  }
  return true;
}

bool guest_memory::translate(guest_address start, std::size_t size, std::vector<iovec>& places) const {
  const auto count = places.size();
  if (for_each_part(start, size, [&](std::byte* place, std::size_t part) {
        places.push_back({place, part});
      }))
    return true;
  places.resize(count);
  return false;
}

bool guest_memory::copy(guest_address start, std::size_t size, std::vector<std::byte>& bytes) const {
  bytes.resize(size);
  auto* into = bytes.data();
  return for_each_part(start, size, [&](const std::byte* place, std::size_t part) {
    std::memcpy(into, place, part);
    into += part;
  });
}

std::byte* guest_memory::find(user_address start, std::size_t size) const noexcept {
  const auto address = static_cast<std::uint64_t>(start);
  for (const auto& region : regions_) {
    const auto& there = region->described();
    if (address >= there.user_start && address - there.user_start < there.size &&
        size <= there.size - (address - there.user_start))
      return region->begin() + (address - there.user_start);
  }
  return nullptr;
}

} // namespace nydus::virtio
