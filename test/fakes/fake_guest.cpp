// SPDX-License-Identifier: Apache-2.0
#include "test/fakes/fake_guest.hpp"

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string>

namespace nydus::fake {
namespace {

vmm_options with_features(vmm_options vmm, queue_features features) {
  if (!features.event_idx)
    vmm.features &= ~feature_event_idx;
  if (!features.indirect)
    vmm.features &= ~feature_indirect;
  return vmm;
}

std::vector<std::byte> text(std::string_view name) {
  const auto bytes = std::as_bytes(std::span{name.data(), name.size()});
  std::vector<std::byte> written(bytes.begin(), bytes.end());
  written.push_back(std::byte{0});
  return written;
}

} // namespace

fake_guest::fake_guest(const std::string& socket_path, guest_options options)
    : options_(options), socket_path_(socket_path), memory_(options.memory_size),
      vmm_(std::make_unique<fake_vmm>(socket_path, with_features(options.vmm, options.features))) {
  // What the rings do must be what was agreed, and the queues exist before that: ask on this connection
  // first.
  const std::uint64_t offered = vmm_->ask_number(ask::get_features);
  options_.features.event_idx &= (offered & feature_event_idx) != 0;
  options_.features.indirect &= (offered & feature_indirect) != 0;
  for (unsigned index = 0; index <= options_.request_queues; ++index) {
    queues_.push_back(std::make_unique<driver_queue>(memory_, index, options_.queue_size, options_.features));
    queue_pointers_.push_back(queues_.back().get());
  }
  make_channels();
  vmm_->introduce(queue_pointers_);
  if (options_.inflight) {
    inflight_ = vmm_->get_inflight(static_cast<std::uint16_t>(queues_.size()), options_.queue_size);
    vmm_->set_inflight(inflight_);
  }
  vmm_->start(memory_, queue_pointers_);
}

void fake_guest::make_channels() {
  channels_.clear();
  for (auto& queue : queues_)
    channels_.push_back(std::make_unique<fuse_channel>(memory_, *queue, options_.channel));
}

void fake_guest::reconnect(std::span<const std::uint16_t> bases) {
  vmm_->hang_up();
  vmm_ = std::make_unique<fake_vmm>(socket_path_, with_features(options_.vmm, options_.features));
  vmm_->introduce(queue_pointers_);
  if (inflight_.file)
    vmm_->set_inflight(inflight_);
  std::vector<std::uint16_t> used;
  for (const auto& queue : queues_)
    used.push_back(queue->used_index());
  vmm_->start(memory_, queue_pointers_, bases.empty() ? std::span<const std::uint16_t>{used} : bases);
}

std::vector<std::uint16_t> fake_guest::reboot() {
  auto bases = vmm_->stop(queue_pointers_);
  vmm_->reset_device();
  for (auto& queue : queues_)
    queue->reset();
  make_channels();
  vmm_->start(memory_, queue_pointers_);
  return bases;
}

fuse_init_out fake_guest::init() {
  // A Debian 6.1 guest's words: 7.38, 128 KiB of read-ahead, and these flags.
  const fuse_init_in arguments{
      .major = 7, .minor = 38, .max_readahead = 131072, .flags = 0x7bfffffb, .flags2 = 0xb, .unused = {}};
  return requests()
      .call({.opcode = FUSE_INIT,
             .node = 0,
             .arguments = bytes_of(arguments),
             .body_size = sizeof(fuse_init_out)})
      .as<fuse_init_out>();
}

fuse_answer fake_guest::lookup(std::uint64_t parent, std::string_view name) {
  return requests().call(
      {.opcode = FUSE_LOOKUP, .node = parent, .arguments = text(name), .body_size = sizeof(fuse_entry_out)});
}

fuse_answer fake_guest::getattr(std::uint64_t node) {
  const fuse_getattr_in arguments{};
  return requests().call({.opcode = FUSE_GETATTR,
                          .node = node,
                          .arguments = bytes_of(arguments),
                          .body_size = sizeof(fuse_attr_out)});
}

fuse_answer fake_guest::statfs() {
  return requests().call({.opcode = FUSE_STATFS, .body_size = sizeof(fuse_statfs_out)});
}

fuse_answer fake_guest::readlink(std::uint64_t node) {
  return requests().call({.opcode = FUSE_READLINK, .node = node, .body_size = 4096});
}

std::uint64_t fake_guest::open(std::uint64_t node) {
  const fuse_open_in arguments{};
  const auto answer = requests().call({.opcode = FUSE_OPEN,
                                       .node = node,
                                       .arguments = bytes_of(arguments),
                                       .body_size = sizeof(fuse_open_out)});
  return answer.error == ENOSYS ? 0 : answer.as<fuse_open_out>().fh;
}

std::uint64_t fake_guest::open_directory(std::uint64_t node) {
  const fuse_open_in arguments{};
  const auto answer = requests().call({.opcode = FUSE_OPENDIR,
                                       .node = node,
                                       .arguments = bytes_of(arguments),
                                       .body_size = sizeof(fuse_open_out)});
  return answer.error == ENOSYS ? 0 : answer.as<fuse_open_out>().fh;
}

fuse_answer fake_guest::read(std::uint64_t node, std::uint64_t handle, std::uint64_t offset,
                             std::uint32_t size) {
  const auto arguments = read_arguments(handle, offset, size);
  return requests().call(
      {.opcode = FUSE_READ, .node = node, .arguments = bytes_of(arguments), .body_size = size});
}

std::vector<directory_entry> fake_guest::readdirplus(std::uint64_t node, std::uint64_t handle,
                                                     std::uint64_t offset, std::uint32_t size) {
  const auto arguments = read_arguments(handle, offset, size);
  const auto answer = requests().call(
      {.opcode = FUSE_READDIRPLUS, .node = node, .arguments = bytes_of(arguments), .body_size = size});
  if (answer.error != 0)
    throw peer_error("READDIRPLUS of " + std::to_string(node) + " fails with " +
                     std::to_string(answer.error));
  std::vector<directory_entry> entries;
  entry_view entry;
  for (std::span<const std::byte> left{answer.body}; take_entry(left, entry);)
    entries.push_back({std::string{entry.name}, entry.node, entry.next_offset});
  return entries;
}

std::vector<directory_entry> fake_guest::list(std::uint64_t node) {
  const std::uint64_t handle = open_directory(node);
  std::vector<directory_entry> all;
  while (true) {
    const auto some = readdirplus(node, handle, all.empty() ? 0 : all.back().next_offset);
    if (some.empty())
      return all;
    all.insert(all.end(), some.begin(), some.end());
  }
}

std::uint32_t fake_guest::forget(std::uint64_t node, std::uint64_t lookups) {
  const fuse_forget_in arguments{lookups};
  return hiprio()
      .call({.opcode = FUSE_FORGET, .node = node, .arguments = bytes_of(arguments), .expected = reply::none})
      .used_length;
}

std::uint32_t fake_guest::batch_forget(std::span<const fuse_forget_one> nodes) {
  const fuse_batch_forget_in head{static_cast<std::uint32_t>(nodes.size()), 0};
  std::vector<std::byte> arguments(bytes_of(head).begin(), bytes_of(head).end());
  const auto rows = std::as_bytes(nodes);
  arguments.insert(arguments.end(), rows.begin(), rows.end());
  return hiprio()
      .call({.opcode = FUSE_BATCH_FORGET, .node = 0, .arguments = arguments, .expected = reply::none})
      .used_length;
}

fuse_answer fake_guest::interrupt(std::uint64_t unique) {
  const fuse_interrupt_in arguments{unique};
  return hiprio().call(
      {.opcode = FUSE_INTERRUPT, .node = 0, .arguments = bytes_of(arguments), .expected = reply::possible});
}

fuse_answer fake_guest::destroy() {
  return requests().call({.opcode = FUSE_DESTROY, .node = 0});
}

found_node fake_guest::walk(std::string_view path) {
  found_node here;
  here.attributes = getattr(FUSE_ROOT_ID).as<fuse_attr_out>().attr;
  while (true) {
    while (path.starts_with('/'))
      path.remove_prefix(1);
    if (path.empty())
      return here;
    const auto name = path.substr(0, path.find('/'));
    path.remove_prefix(name.size());
    const auto entry = lookup(here.node, name).as<fuse_entry_out>();
    if (entry.nodeid == 0)
      throw peer_error("no " + std::string{name} + " where the walk came to");
    here = {entry.nodeid, entry.attr};
  }
}

fuse_read_in read_arguments(std::uint64_t handle, std::uint64_t offset, std::uint32_t size) {
  fuse_read_in arguments{};
  arguments.fh = handle;
  arguments.offset = offset;
  arguments.size = size;
  return arguments;
}

bool take_entry(std::span<const std::byte>& body, entry_view& entry) {
  constexpr std::size_t fixed = offsetof(fuse_direntplus, dirent) + offsetof(fuse_dirent, name);
  if (body.empty())
    return false;
  fuse_entry_out described{};
  fuse_dirent record{};
  if (body.size() < fixed)
    throw peer_error("a READDIRPLUS record is cut short");
  std::memcpy(&described, body.data(), sizeof described);
  std::memcpy(&record, body.data() + sizeof described, offsetof(fuse_dirent, name));
  const std::size_t size = FUSE_DIRENT_ALIGN(fixed + record.namelen);
  if (record.namelen == 0 || size > body.size())
    throw peer_error("a READDIRPLUS record of " + std::to_string(size) + " bytes leaves the answer");
  entry = {
      {reinterpret_cast<const char*>(body.data()) + fixed, record.namelen}, described.nodeid, record.off};
  body = body.subspan(size);
  return true;
}

} // namespace nydus::fake
