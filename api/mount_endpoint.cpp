// SPDX-License-Identifier: Apache-2.0
#include "api/mount_endpoint.hpp"

#include "api/config_value.hpp"
#include "api/daemon_config.hpp"
#include "api/refusal.hpp"

namespace nydus {

namespace {

mount_order order_of(mount_image wanted, bool is_remount) {
  if (is_remount)
    return remount_image{std::move(wanted)};
  return wanted;
}

/// Fills in the settings and checks what both forms share.
mount_order complete(mount_image wanted, const std::string& fs_type, result<mount_settings> settings,
                     bool is_remount) {
  if (fs_type == "passthrough_fs" || fs_type == "passthroughfs" || fs_type == "passthrough")
    return mount_refusal({errc::not_supported, "this build has no passthrough_fs; 'rafs' is right"});
  if (!fs_type.empty() && fs_type != "rafs")
    return mount_refusal(
        {errc::malformed, "invalid argument `only 'rafs' and 'passthrough_fs' are supported, but " +
                              fs_type.substr(0, 80) + " was specified`"});
  if (wanted.source.empty())
    return mount_refusal({errc::malformed, "source is empty; the path of a bootstrap is right"});
  if (!settings)
    return mount_refusal({settings.error().code, "RAFS failed to handle request, Failed to load config: " +
                                                     settings.error().detail});
  for (const auto& path : wanted.prefetch_files)
    if (path.empty() || path.front() != '/')
      return mount_refusal(
          {errc::malformed, "prefetch_files holds '" + path.substr(0, 80) + "'; absolute paths are right"});
  wanted.settings = std::make_shared<const mount_settings>(*std::move(settings));
  return order_of(std::move(wanted), is_remount);
}

mount_order read_present_form(const http_request& request, const std::string& mountpoint) {
  const auto body = config_value::from_json(request.body);
  if (!body)
    return body_refusal(body.error().detail);
  config_reader fields{&*body, ""};
  mount_image wanted;
  std::string fs_type, config;
  fields.read("source", wanted.source);
  fields.read("fs_type", fs_type);
  fields.read("config", config);
  fields.read("prefetch_files", wanted.prefetch_files);
  if (!fields.outcome())
    return body_refusal(fields.outcome().error().detail);
  for (const auto* field : {"source", "config"})
    if (fields.find(field) == nullptr)
      return missing_field(field);
  if (mountpoint.empty() || mountpoint.front() != '/')
    return mount_refusal({errc::malformed, "mountpoint '" + mountpoint.substr(0, 80) +
                                               "' does not start with '/': Invalid argument"});
  wanted.mountpoint = mountpoint;
  return complete(std::move(wanted), fs_type, parse_config(config), request.method == "PUT");
}

/// The oldest form's config: a path, the text itself, or nothing.
result<mount_settings> settings_of(const std::string& config, const result<mount_settings>& fallback) {
  const auto start = config.find_first_not_of(" \t\r\n");
  if (start == std::string::npos)
    return fallback;
  if (config[start] == '{')
    return parse_config(config);
  const auto text = read_config_file(config);
  return text ? parse_config(*text) : text.error();
}

/// Everything in the body, the operation too. The mountpoint may lack its '/'.
mount_order read_oldest_form(const http_request& request, const result<mount_settings>& fallback) {
  const auto body = config_value::from_json(request.body);
  if (!body)
    return body_refusal(body.error().detail);
  config_reader fields{&*body, ""};
  mount_image wanted;
  std::string fs_type, config;
  std::string operation = "mount";
  fields.read("mountpoint", wanted.mountpoint);
  fields.read("source", wanted.source);
  fields.read("fstype", fs_type);
  fields.read("config", config);
  fields.read("ops", operation);
  if (!fields.outcome())
    return body_refusal(fields.outcome().error().detail);
  if (wanted.mountpoint.empty())
    return missing_parameter("mountpoint");
  if (operation == "umount")
    return unmount_image{std::move(wanted.mountpoint)};
  if (operation != "mount" && operation != "update")
    return refusal(500,
                   "Invalid op " + quoted(operation.substr(0, 80)) + "; mount, umount or update is right");
  return complete(std::move(wanted), fs_type, settings_of(config, fallback), operation == "update");
}

} // namespace

mount_order read_mount_order(const http_request& request, const result<mount_settings>& fallback) {
  const auto mountpoint = request.query.find("mountpoint");
  if (mountpoint == request.query.end())
    return request.method == "PUT" ? read_oldest_form(request, fallback) : missing_parameter("mountpoint");
  if (request.method == "DELETE")
    return unmount_image{mountpoint->second};
  return read_present_form(request, mountpoint->second);
}

} // namespace nydus
