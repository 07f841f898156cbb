// SPDX-License-Identifier: Apache-2.0
// Keeps the process alive when a mapped file (an image's metadata, a guest's memory) is cut short by someone
// else: a touch behind its end then finds zeros instead of SIGBUS, and zeros fail the checks that every
// record goes through.
#pragma once

#include <atomic>
#include <cstddef>

namespace nydus {

/// Guards the mapping [start, start + size), which has pages of `page_size` bytes (0: the system's own).
/// Installs the process's SIGBUS handler at first use; faults elsewhere end the process as ever. Threads:
/// any. False if the table of guarded mappings is full (65,536): then it is unguarded. `was_cut`, which must
/// outlive the guard, is set before zeros can be found.
bool guard_mapping(void* start, std::size_t size, std::size_t page_size = 0,
                   std::atomic<bool>* was_cut = nullptr) noexcept;

/// Call before munmap.
void unguard_mapping(void* start) noexcept;

} // namespace nydus
