#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs every *_test.py of this folder against the real kernel, or those named, and counts. Needs root and /dev/fuse.

    run_all.py                          all of them but guest_test, a part of its own in check.sh: it needs QEMU
    run_all.py api_test fuse_test.Life  modules, classes or methods
"""
import glob
import os
import sys
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))


class TimedResult(unittest.TextTestResult):
    """Notes how long each test took; the slowest are told at the end."""

    def startTest(self, test):
        super().startTest(test)
        self.began = time.monotonic()

    def stopTest(self, test):
        super().stopTest(test)
        self.took = getattr(self, "took", []) + [(time.monotonic() - self.began, test.id())]


def main():
    if os.geteuid() != 0 or not os.path.exists("/dev/fuse"):
        print("SKIPPED: the end-to-end tests need root and /dev/fuse", flush=True)
        print("end_to_end: 0 passed, 0 failed, 1 skipped")
        return 0
    sys.path.insert(0, HERE)
    modules = {os.path.basename(path)[:-len(".py")] for path in glob.glob(os.path.join(HERE, "*_test.py"))}
    tests = unittest.defaultTestLoader.loadTestsFromNames(sys.argv[1:] or sorted(modules - {"guest_test"}))
    result = unittest.TextTestRunner(verbosity=2, resultclass=TimedResult).run(tests)
    for seconds, name in sorted(getattr(result, "took", []), reverse=True)[:5]:
        print(f"{seconds:7.1f} s  {name}")
    # One test may fail in several of its subtests; it counts once. A fixture of a class that fails counts too.
    bad = len({getattr(test, "test_case", test).id() for test, _ in result.failures + result.errors} |
              {test.id() for test in result.unexpectedSuccesses})
    passed = max(result.testsRun - bad - len(result.skipped), 0)
    print(f"end_to_end: {passed} passed, {bad} failed, {len(result.skipped)} skipped")
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
