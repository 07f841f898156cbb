#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the page's files as one C++ source, for nydusctl: `embed.py OUTPUT FILE...`; index.html is served as "/"."""
import os
import sys

TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}


def main(output, files):
    entries = []
    for file in files:
        with open(file, encoding="utf-8") as source:
            text = source.read()
        assert ')file"' not in text, file
        name = os.path.basename(file)
        path = "/" if name == "index.html" else "/" + name
        entries.append(f'    {{"{path}", "{TYPES[os.path.splitext(name)[1]]}", R"file({text})file"}},\n')
    with open(output, "w", encoding="utf-8") as source:
        source.write('#include "api/nydusctl/page_files.hpp"\n\nnamespace nydus::ctl {\n\n'
                     "std::span<const page_file> page_files() {\n  static const page_file files[] = {\n"
                     + "".join(entries) + "  };\n  return files;\n}\n\n} // namespace nydus::ctl\n")


main(sys.argv[1], sys.argv[2:])
