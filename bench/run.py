#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures nydusd and nydus-image, beside a peer in the same run: `run.py TABLE... [--repeats N]`, as root.

Tables: see --help; `all` runs each. Prints medians and their ratio, ours to the peer's, with what is wanted of it.
  NYDUS_PEER, NYDUS_IMAGE_PEER   another nydusd and nydus-image; without them ours is measured alone
  NYDUS_BENCH_DIR                where images are made and kept (default: /var/tmp/nydus-bench)
  NYDUS_BENCH_TREE               the tree of small files (default: /usr/local/go, else /usr/share)
"""
import argparse
import contextlib
import os
import statistics
import sys

import api_table
import builder_table
import fuse_tables
import isolation_tables
import reactor_table
import virtqueue_table

TABLES = {"random_read": fuse_tables.random_read, "walk": fuse_tables.walk, "sequential": fuse_tables.sequential,
          "tar": fuse_tables.tar, "mount": fuse_tables.mount, "memory": fuse_tables.memory,
          "image_build": builder_table.image_build, "reactor": reactor_table.reactor,
          "isolation": isolation_tables.isolation, "many_mounts": isolation_tables.many_mounts,
          "virtqueue": virtqueue_table.virtqueue, "api": api_table.api}


def shown(value):
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def verdict(ratio, wanted):
    if not wanted:
        return ""
    sign, bound = wanted.split()
    met = ratio >= float(bound) if sign == ">=" else ratio <= float(bound)
    return wanted + ("" if met else ", MISSED")


def print_table(name, rows):
    """`rows`: (title with unit, {contestant: samples}, {contestant: wanted ratio of ours to it})."""
    print(f"\n### {name}\n\n| row | ours (least to most) | other | ratio | wanted |\n|---|---|---|---|---|", flush=True)
    for title, samples, wanted in rows:
        ours = statistics.median(samples["ours"])
        mine = f"{shown(ours)} ({shown(min(samples['ours']))} to {shown(max(samples['ours']))})"
        others = [one for one in samples if one != "ours" and samples[one]]
        for other in others:
            theirs = statistics.median(samples[other])
            ratio = ours / theirs if theirs else float("inf")
            met = verdict(ratio, wanted.get(other)) or verdict(ours, wanted.get("limit"))
            print(f"| {title} | {mine} | {other} {shown(theirs)} | {ratio:.2f} | {met} |")
        if not others:
            print(f"| {title} | {mine} | | | {verdict(ours, wanted.get('limit'))} |")


def go_first():
    """Lets this run and all it starts go before whatever else the machine does, as far as the kernel allows."""
    with contextlib.suppress(OSError):
        os.setsid()
        with open("/proc/self/autogroup", "w", encoding="ascii") as autogroup:
            autogroup.write("-20")
    with contextlib.suppress(OSError):
        os.nice(-20)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="+", choices=[*TABLES, "all"])
    parser.add_argument("--repeats", type=int, default=5)
    asked = parser.parse_args()
    if os.geteuid() != 0:
        parser.error("needs root: it mounts and drops caches")
    if os.fork() != 0:  # the leader of a process group cannot start a session
        _, status = os.wait()
        return os.waitstatus_to_exitcode(status)
    go_first()
    for name, table in TABLES.items():
        if name in asked.tables or "all" in asked.tables:
            print_table(name, table(asked.repeats))
    return 0


if __name__ == "__main__":
    sys.exit(main())
