// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include "builder/readable_text.hpp"

using namespace nydus::builder;

TEST_SUITE_BEGIN("builder/readable_text");

TEST_CASE("text stays as it is, what could move a cursor or is no text is shown by its bytes") {
  CHECK(readable("/usr/share/doc (old)") == "/usr/share/doc (old)");
  CHECK(readable("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x90\x99") ==
        "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x90\x99");
  CHECK(readable("a\nb\tc\x1b[31m\x7f") == "a\\x0ab\\x09c\\x1b[31m\\x7f");
  CHECK(readable("\xff\xfe.txt") == "\\xff\\xfe.txt");
  CHECK(readable("\xc2\x9b\x31") == "\\xc2\\x9b1"); // the one-byte form of ESC [
  CHECK(readable(std::string_view{"\0x", 2}) == "\\x00x");
  CHECK(readable("cut \xe2\x82") == "cut \\xe2\\x82");
}

TEST_CASE("only well-formed UTF-8 is UTF-8") {
  for (const char* good :
       {"", "abc", "\xc2\x80", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"})
    CHECK(is_utf8(good));
  for (const char* bad : {"\x80", "\xc0\xaf", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
                          "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xc2", "\xe2\x82", "a\xe2\x82z", "\xff"})
    CHECK_FALSE(is_utf8(bad));
}
