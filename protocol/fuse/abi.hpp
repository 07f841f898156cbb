// SPDX-License-Identifier: Apache-2.0
// The FUSE wire structs are the kernel's own (linux/fuse.h, host byte order); here is what Debian 12's copy
// lacks.
#pragma once

#include <linux/fuse.h>

#include <cstddef>
#include <cstdint>

namespace nydus::fuse {

/// The protocol that we speak: 7.38, as linux/fuse.h of Debian 12 describes it.
constexpr std::uint32_t major_version = FUSE_KERNEL_VERSION;
constexpr std::uint32_t minor_version = FUSE_KERNEL_MINOR_VERSION;

/// A read-only file system takes no data: a page is the least the kernel accepts.
constexpr std::uint32_t max_write = 4096;
/// The kernel refuses to hand out requests to a smaller buffer (fs/fuse/dev.c: FUSE_MIN_READ_BUFFER, and
/// max_write beside both headers); SETXATTR values of up to 64 KiB must fit as well, since they want an
/// answer too.
constexpr std::size_t request_buffer_size = 65536 + 4096 + 4096;
static_assert(request_buffer_size >= FUSE_MIN_READ_BUFFER);
static_assert(request_buffer_size >= sizeof(fuse_in_header) + sizeof(fuse_write_in) + max_write);

/// Pages of one request at most: 1 MiB, the kernel's default limit.
constexpr std::uint16_t max_pages = 256;
constexpr std::uint32_t max_read = 1 << 20;

/// Seconds that the kernel may believe entries and attributes of an image: for ever.
constexpr std::uint64_t forever = std::uint64_t{1} << 32;

static_assert(sizeof(fuse_in_header) == 40 && sizeof(fuse_out_header) == 16);
static_assert(sizeof(fuse_attr_out) == 104 && sizeof(fuse_entry_out) == 128);

} // namespace nydus::fuse
