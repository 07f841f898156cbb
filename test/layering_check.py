#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks the layers and rules of docs/data_flow.md from the sources themselves. `layering_check.py [ROOT]`."""
import os
import re
import sys
import tempfile

MAY_USE = {
    "protocol": [], "metadata": ["protocol"], "storage": ["metadata", "protocol"],
    "actors": ["storage", "metadata", "protocol"], "builder": ["storage", "metadata", "protocol"],
    "api": ["actors", "storage", "metadata", "protocol"],
}
LOCKS = re.compile(r"std::(recursive_|shared_|timed_)*mutex|condition_variable|pthread_mutex|lock_guard|scoped_lock|_semaphore")
CAF = re.compile(r'#include [<"]caf/')
INCLUDE = re.compile(r'#include "([^"/]+)/')


def check(root):
    """Sentences about what is wrong below `root`."""
    wrong = []
    for folder in MAY_USE:
        for where, _, files in os.walk(os.path.join(root, folder)):
            for name in files:
                if not name.endswith((".hpp", ".cpp")):
                    continue
                path = os.path.join(where, name)
                shown = os.path.relpath(path, root)
                text = open(path, encoding="utf-8").read()
                if not text.startswith("// SPDX-License-Identifier: Apache-2.0\n"):
                    wrong.append(f"{shown}: no SPDX line at its start")
                if name.endswith(".hpp") and "#pragma once" not in text:
                    wrong.append(f"{shown}: no #pragma once")
                for used in INCLUDE.findall(text):
                    if used in MAY_USE and used != folder and used not in MAY_USE[folder]:
                        wrong.append(f"{shown}: {folder}/ may not use {used}/")
                    if used in ("test", "bench"):
                        wrong.append(f"{shown}: nothing may use {used}/")
                if folder not in ("actors", "api") and CAF.search(text):
                    wrong.append(f"{shown}: {folder}/ may not use CAF")
                if LOCKS.search(text):
                    wrong.append(f"{shown}: a lock; actors share nothing that needs one")
    return wrong


def self_test():
    """A tree that breaks each rule once has to be noticed."""
    with tempfile.TemporaryDirectory() as root:
        os.makedirs(os.path.join(root, "protocol"))
        with open(os.path.join(root, "protocol", "x.hpp"), "w", encoding="utf-8") as file:
            file.write('#include "storage/y.hpp"\n#include <caf/all.hpp>\n#include "test/z.hpp"\nstd::mutex m;\n')
        assert len(check(root)) == 6, check(root)


if __name__ == "__main__":
    self_test()
    problems = check(sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), ".."))
    print("\n".join(problems) or "layers are kept")
    sys.exit(bool(problems))
