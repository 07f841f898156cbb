// SPDX-License-Identifier: Apache-2.0
#include "actors/mount_router.hpp"

#include <cerrno>
#include <sys/stat.h>

#include "actors/attribute_reply.hpp"
#include "actors/fs_request.hpp"
#include "actors/message_types.hpp"
#include "actors/pinned.hpp"
#include "protocol/fuse/dirent_packer.hpp"

namespace nydus {

namespace {

class mount_router : public pinned_actor {
public:
  mount_router(caf::actor_config& config, reactor& home)
      : pinned_actor(config, home), table_(std::make_shared<const route_table>()) {}

  const char* name() const override { return "mount_router"; }

  caf::behavior make_behavior() override {
    return {
        [this](fs_request& request) { direct(request); },
        [this](const take_routes& change) {
          table_ = change.table;
          return routes_taken{};
        },
    };
  }

private:
  void direct(fs_request& request) {
    const auto node = request.asked.nodeid;
    const route* to = nullptr;
    if (mount_of(node) != 0)
      to = table_->find_mount(mount_of(node));
    else if (node == FUSE_ROOT_ID)
      to = table_->root_mount();
    if (to != nullptr)
      send(to->mount, std::move(request));
    else if (const auto* directory = mount_of(node) == 0 ? table_->find_directory(node) : nullptr)
      serve(request, *directory);
    else
      fail(request, ENOENT); // of a mount that is gone
  }

  void serve(const fs_request& request, const pseudo_directory& directory) {
    switch (request.asked.opcode) {
    case FUSE_LOOKUP:
      return lookup(request, directory);
    case FUSE_GETATTR:
      return answer(request, inline_body::of(attributes_reply(directory.attributes, fuse::forever)));
    case FUSE_READDIR:
    case FUSE_READDIRPLUS:
      return read_directory(request, directory);
    case FUSE_STATFS: {
      fuse_statfs_out out{};
      out.st.bsize = out.st.frsize = 512;
      out.st.namelen = 255;
      return answer(request, inline_body::of(out));
    }
    case FUSE_GETXATTR:
      return fail(request, ENODATA);
    case FUSE_LISTXATTR:
      if (request.asked.size == 0)
        return answer(request, inline_body::of(fuse_getxattr_out{}));
      return answer(request, std::monostate{});
    case FUSE_READ:
      return fail(request, EISDIR);
    case FUSE_READLINK:
      return fail(request, EINVAL);
    default:
      return fail(request, ENOSYS);
    }
  }

  void lookup(const fs_request& request, const pseudo_directory& directory) {
    if (request.asked.name == "." || request.asked.name == "..") {
      const auto* found = request.asked.name == "." ? &directory : table_->find_directory(directory.parent);
      return answer(request, inline_body::of(entry_reply(found->attributes, fuse::forever)));
    }
    const auto found = directory.entries.find(request.asked.name);
    if (found == directory.entries.end())
      return fail(request, ENOENT); // not remembered by the kernel: a mount may come
    answer(request, inline_body::of(entry_reply(found->second.attributes, fuse::forever)));
  }

  void read_directory(const fs_request& request, const pseudo_directory& directory) {
    fuse::dirent_packer packer{request.asked.size, request.asked.opcode == FUSE_READDIRPLUS};
    // Cursor 0 is ".", 1 is "..", k + 2 is name k. A kernel keeps a listing without any entry for ever, so
    // that a mount would never show in it: these two are always there.
    auto cursor = request.asked.offset;
    const fuse_entry_out none{};
    bool fits = true;
    if (cursor == 0)
      fits = packer.add(".", directory.attributes.ino, ++cursor, S_IFDIR >> 12, none);
    if (fits && cursor == 1)
      fits = packer.add("..", directory.parent, ++cursor, S_IFDIR >> 12, none);
    std::uint64_t position = 2;
    for (const auto& [name, entry] : directory.entries) { // in name order
      if (!fits)
        break;
      if (position++ >= cursor)
        fits = packer.add(name, entry.attributes.ino, position, S_IFDIR >> 12,
                          entry_reply(entry.attributes, fuse::forever));
    }
    answer(request, std::move(packer).take());
  }

  template <class Body>
  void answer(const fs_request& request, Body body) {
    send(request.port, fs_reply{request.slot, 0, std::move(body)});
  }
  void fail(const fs_request& request, int error) { send(request.port, fs_reply{request.slot, error, {}}); }

  routes table_;
};

} // namespace

caf::actor spawn_mount_router(caf::actor_system& system, reactor& home) {
  return spawn_pinned<mount_router>(system, home);
}

} // namespace nydus
