// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "builder/build_report.hpp"
#include "test/fakes/scratch_folder.hpp"

using namespace nydus;
using namespace nydus::builder;

TEST_SUITE_BEGIN("builder/build_report");

TEST_CASE("the report has the public builder's fields") {
  built_image built;
  built.uncompressed_size = 5;
  built.duplicate_count = 2;
  const auto json = nlohmann::json::parse(to_json({"boot", {"id"}, "lz4_block", &built}));
  CHECK(json["bootstrap"] == "boot");
  CHECK(json["blobs"] == nlohmann::json::array({"id"}));
  CHECK(json["fs_version"] == "5");
  CHECK(json["compressor"] == "lz4_block");
  CHECK(json["external_blobs"].empty());
  CHECK(json["version"].get<std::string>().find('-') != std::string::npos);
  CHECK(json["trace"]["registered_events"]["blob_uncompressed_size"] == 5);
  CHECK(json["trace"]["registered_events"]["dedup_chunks"] == 2);
  for (const char* time :
       {"build_bootstrap", "build_tree", "dump_blob", "dump_bootstrap", "load_from_directory", "total_build"})
    CHECK(json["trace"]["consumed_time"][time].is_number());
}

TEST_CASE("a path that is no text gives valid JSON") {
  const auto json = nlohmann::json::parse(to_json({"\xff\"\n", {}, "none", nullptr}));
  CHECK(json["bootstrap"] == "\xef\xbf\xbd\"\n");
  CHECK(json["trace"].empty());
}

TEST_CASE("a report is saved whole or refused") {
  const scratch_folder folder;
  REQUIRE(save_report({"boot", {}, "none", nullptr}, folder / "report"));
  CHECK(nlohmann::json::parse(read_file(folder / "report"))["bootstrap"] == "boot");
  CHECK_FALSE(save_report({"boot", {}, "none", nullptr}, folder / "no/report"));
}
