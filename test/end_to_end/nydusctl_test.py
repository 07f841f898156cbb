# SPDX-License-Identifier: Apache-2.0
"""nydusctl against a real daemon: the public tool's commands and ours, and the daemon's /metrics.

NYDUSCTL_PEER=PATH names a public nydusctl that has to understand the daemon's answers too."""
import json
import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import harness
from harness import BLOBS, Daemon, NYDUSCTL, TREE_IMAGES, UnixConnection, config, image, needs_fixtures

sys.path.append("/usr/lib/python3/dist-packages")  # Debian's package, also for a python3 of another place
try:
    from prometheus_client.parser import text_string_to_metric_families
except ImportError:
    text_string_to_metric_families = None

PEER = os.environ.get("NYDUSCTL_PEER", "")


def ctl(daemon, *arguments, tool=NYDUSCTL, status=0):
    """Runs the tool; what it printed. Its exit status has to be `status`."""
    done = subprocess.run([tool, "--sock", getattr(daemon, "socket", daemon), *arguments], capture_output=True, text=True,
                          timeout=60, check=False)
    assert done.returncode == status, (arguments, done)
    return done.stdout + done.stderr


def metrics(daemon):
    """{(series, labels): value} of /metrics, read by Prometheus's own parser; types and names of families."""
    connection = UnixConnection(daemon.socket)
    connection.request("GET", "/metrics")
    answer = connection.getresponse()
    text = answer.read().decode()
    assert answer.status == 200 and answer.getheader("Content-Type").startswith("text/plain; version=0.0.4"), answer.headers
    families = list(text_string_to_metric_families(text))
    samples = {(one.name, tuple(sorted(one.labels.items()))): one.value for family in families for one in family.samples}
    assert len(samples) == sum(len(family.samples) for family in families), "a series stands twice"
    return samples, {family.name: family for family in families}


@needs_fixtures
class Nydusctl(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="nydusctl-test-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.config = os.path.join(self.folder, "config.json")
        with open(self.config, "w", encoding="utf-8") as file:
            json.dump(config(BLOBS, os.path.join(self.folder, "cache")), file)

    def mount(self, daemon, mountpoint, tool=NYDUSCTL):
        ctl(daemon, "mount", "-s", image(TREE_IMAGES[0]), "-c", self.config, "-m", mountpoint, "-t", "rafs", tool=tool)

    def use_public_commands(self, daemon, tool):
        self.mount(daemon, "/a", tool)
        harness.tree(daemon.path("a"))
        self.assertIn("RUNNING", ctl(daemon, "info", tool=tool))
        self.assertIn("Instance Mountpoint:  /a", ctl(daemon, "info", tool=tool))
        self.assertEqual(list(json.loads(ctl(daemon, "-r", "info", tool=tool))["backend_collection"]), ["/a"])
        self.assertIn("Read Errors: 0", ctl(daemon, "metrics", "fsstats", tool=tool))
        self.assertIn(os.path.join(self.folder, "cache"), ctl(daemon, "metrics", "cache", tool=tool))
        self.assertIn("localfs", ctl(daemon, "metrics", "backend", tool=tool))
        for category, field in (("fsstats", "fop_hits"), ("cache", "whole_hits"), ("backend", "read_count")):
            self.assertIn(field, json.loads(ctl(daemon, "--raw", "metrics", category, tool=tool)))
        ctl(daemon, "set", "log-level", "debug", tool=tool)
        ctl(daemon, "umount", "-m", "/a", tool=tool)
        self.assertEqual(os.listdir(daemon.mountpoint), [])

    def test_the_public_commands_work(self):
        with Daemon() as daemon:
            self.use_public_commands(daemon, NYDUSCTL)

    @unittest.skipUnless(PEER, "no public nydusctl: NYDUSCTL_PEER names one")
    def test_the_public_tool_understands_the_daemon(self):
        with Daemon() as daemon:
            self.use_public_commands(daemon, PEER)

    def test_refusals_say_what_to_do_and_end_with_1_or_2(self):
        self.assertIn("is a nydusd running with --apisock /no/such?", ctl("/no/such", "info", status=1))
        with Daemon() as daemon:
            self.assertIn("name one with --mount", ctl(daemon, "metrics", "fsstats", status=1))
            self.mount(daemon, "/a")
            self.mount(daemon, "/b c")
            self.assertIn("name one with --mount", ctl(daemon, "metrics", "fsstats", status=1))
            self.assertIn("Mount: /b c", ctl(daemon, "metrics", "fsstats", "--mount", "/b c"))
            self.assertIn("already exists", ctl(daemon, "mount", "-s", image(TREE_IMAGES[1]), "-c", self.config, "-m", "/a",
                                                "-t", "rafs", status=1))
            self.assertIn("--config", ctl(daemon, "mount", "-s", "x", "-c", "/no/such", "-m", "/x", "-t", "rafs", status=1))
            self.assertIn("doesn't exist", ctl(daemon, "umount", "-m", "/x", status=1))
            self.assertIn("refused", ctl(daemon, "set", "log-level", "loud", status=1))
            self.assertIn("--help", ctl(daemon, "metrics", "weather", status=2))
            self.assertIn("only addresses of this machine", ctl(daemon, "page", "--listen", "0.0.0.0:0", status=1))
            self.assertIn("--once", ctl(daemon, "top", status=1))
            self.assertIn("nydusctl", ctl(daemon, "--version"))

    def test_metrics_with_an_interval_repeat_as_rates(self):
        with Daemon() as daemon:
            self.mount(daemon, "/a")
            tool = subprocess.Popen([NYDUSCTL, "--sock", daemon.socket, "metrics", "backend", "-I", "1"],
                                    stdout=subprocess.PIPE, text=True)
            try:
                lines = []
                while not any("Backend Read Bandwidth:" in line for line in lines):
                    lines.append(tool.stdout.readline())
                    self.assertTrue(lines[-1], lines)
            finally:
                tool.kill()
                tool.wait()
                tool.stdout.close()

    def test_actors_and_traces_are_shown(self):
        with Daemon() as daemon:
            self.mount(daemon, "/a")
            self.mount(daemon, "/b")
            harness.tree(daemon.path("a"))
            shown = ctl(daemon, "actors")
            for part in ("rafs_mount", "fuse_port", "reactor-0", "localfs " + BLOBS, "UNDER WAY", "/a", "/b"):
                self.assertIn(part, shown)
            self.assertIn("actors", json.loads(ctl(daemon, "-r", "actors")))
            table = ctl(daemon, "trace", "--slowest", "30", "--mount", "/a").splitlines()
            self.assertRegex(table[0], "^REQUEST +MOUNT")
            self.assertTrue(any("READ" in line and "/a" in line and "cache" in line for line in table), table)
            self.assertFalse(any(" /b " in line for line in table), table)
            path = os.path.join(self.folder, "trace.json")
            ctl(daemon, "trace", "--slowest", "5", "-o", path)
            with open(path, encoding="utf-8") as file:
                self.assertIn("traceEvents", json.load(file))
            once = ctl(daemon, "top", "--once")
            for part in ("2 mounts", "MOUNT ", "BACKEND", "SLOWEST", "rafs_mount"):
                self.assertIn(part, once)

    def test_top_draws_and_leaves_the_terminal_as_it_was(self):
        with Daemon() as daemon:
            self.mount(daemon, "/a")
            for end in (b"q", b"\x03", signal.SIGTERM):
                screen, inside = pty.openpty()
                tool = subprocess.Popen([NYDUSCTL, "--sock", daemon.socket, "top"], stdin=inside, stdout=inside, stderr=inside)
                os.close(inside)
                shown = b""
                until = time.monotonic() + 30
                while shown.count(b"\x1b[H") < 2 and time.monotonic() < until:
                    if select.select([screen], [], [], 1)[0]:
                        shown += os.read(screen, 65536)
                self.assertIn(b"MOUNT", shown)
                self.assertIn(b"/a", shown)
                self.assertTrue(shown.startswith(b"\x1b[?1049h"))
                if isinstance(end, bytes):
                    os.write(screen, end)
                else:
                    tool.send_signal(end)
                self.assertEqual(tool.wait(10), 0)
                while select.select([screen], [], [], 0.2)[0]:
                    try:
                        shown += os.read(screen, 65536)
                    except OSError:  # all of it was read
                        break
                os.close(screen)
                self.assertTrue(shown.endswith(b"\x1b[?25h\x1b[?1049l"), shown[-50:])

    def test_api_socket_is_for_its_owner_alone(self):
        with Daemon() as daemon:
            self.assertEqual(os.stat(daemon.socket).st_mode & 0o777, 0o600)


@needs_fixtures
@unittest.skipUnless(text_string_to_metric_families, "no python3-prometheus-client")
class Prometheus(unittest.TestCase):
    def test_metrics_are_understood_by_prometheuss_parser(self):
        odd = '/odd "name" \\ here'
        with Daemon() as daemon, tempfile.TemporaryDirectory() as folder:
            metrics(daemon)
            settings = config(BLOBS, os.path.join(folder, "cache"))
            for mountpoint in ("/a", odd):
                self.assertEqual(daemon.mount(mountpoint, image(TREE_IMAGES[0]), settings)[0], 204)
            harness.tree(daemon.path("a"))
            samples, families = metrics(daemon)
            self.assertEqual(samples["nydus_mounts", ()], 2)
            reads = samples["nydus_mount_reads_total", (("mountpoint", "/a"),)]
            self.assertGreater(reads, 0)
            self.assertEqual(samples["nydus_mount_reads_total", (("mountpoint", odd),)], 0)
            self.assertEqual(samples["nydus_operations_total", (("operation", "read"),)], reads)
            self.assertGreater(samples["nydus_backend_reads_total", (("kind", "localfs"),)], 0)
            self.assertEqual(samples["nydus_backend_request_limit", (("backend", "localfs " + BLOBS),)], 8)
            self.assertGreaterEqual(samples["nydus_actors", (("kind", "rafs_mount"),)], 2)
            self.assertGreater(samples["nydus_actor_messages_total", (("kind", "rafs_mount"),)], 0)
            self.assertGreater(samples["nydus_reactor_rounds_total", (("reactor", "reactor-0"),)], 0)
            for name in ("nydus_read_seconds", "nydus_read_bytes", "nydus_backend_read_seconds"):
                family = families[name]
                self.assertEqual(family.type, "histogram")
                counts = [one.value for one in family.samples if one.name.endswith("_bucket")]
                self.assertEqual(counts, sorted(counts))
                self.assertEqual([counts[-1]], [one.value for one in family.samples if one.name.endswith("_count")])
            for family in families.values():
                self.assertTrue(family.documentation and family.type in ("counter", "gauge", "histogram"), family)
            # What was counted stays when its mount goes.
            self.assertEqual(daemon.umount("/a")[0], 204)
            later, _ = metrics(daemon)
            self.assertGreaterEqual(later["nydus_operations_total", (("operation", "read"),)], reads)
            self.assertNotIn(("nydus_mount_reads_total", (("mountpoint", "/a"),)), later)
