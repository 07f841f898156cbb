# SPDX-License-Identifier: Apache-2.0
"""The HTTP API as clients meet it: every answer as openapi.yaml says, odd requests, many clients, real counters."""
import concurrent.futures
import json
import os
import socket
import tempfile
import unittest

import harness
from harness import BLOBS, Daemon, TREE_IMAGES, build_image, config, image, needs_fixtures
from openapi import Description

BODY = {"source": image(TREE_IMAGES[0]), "fs_type": "rafs"}


class Raw:
    """A connection that sends bytes as they are."""

    def __init__(self, daemon, sent=b""):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        self.socket.connect(daemon.socket)
        try:
            self.socket.sendall(sent)
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused before all was sent

    def first_line(self):
        try:
            return self.socket.makefile("rb").readline().decode("latin-1").strip()
        except ConnectionResetError:
            return ""

    def close(self):
        self.socket.close()


@needs_fixtures
class Answers(unittest.TestCase):
    def test_every_answer_is_as_openapi_yaml_describes_it(self):
        description = Description()
        with Daemon("--id", "d1", "--supervisor", "/tmp/none.sock") as daemon:
            settings = json.dumps(config(BLOBS, daemon.directory + "/cache", iostats_files=True, access_pattern=True,
                                         latest_read_files=True, fs_prefetch={"enable": True, "threads_count": 2}))

            def ask(status, method, target, body=None):
                got, answer = daemon.call(method, target, body)
                self.assertEqual(got, status, f"{method} {target} {body}: {answer}")
                self.assertEqual(description.objections(method, target, got, answer), [], f"{method} {target}")
                return answer

            mount, at = {**BODY, "config": settings}, "/api/v1/mount?mountpoint="
            for version in ("v1", "v2"):
                self.assertEqual(ask(200, "GET", f"/api/{version}/daemon")["id"], "d1")
                ask(204, "PUT", f"/api/{version}/daemon", {"log_level": "Warn"})
                ask(500, "PUT", f"/api/{version}/daemon", {"log_level": "loud"})
                ask(400, "PUT", f"/api/{version}/daemon", {"log_level": 5})
            ask(204, "POST", at + "/a/b", mount)
            ask(204, "POST", at + "/a/b", mount)  # the very same again
            ask(500, "POST", at + "/a/b", {**mount, "source": image(TREE_IMAGES[1])})
            for target, body, status in (
                    (at + "rel", mount, 500), ("/api/v1/mount", mount, 400), (at + "/x", {**mount, "source": "/no/such"}, 500),
                    (at + "/x", {**mount, "fs_type": "zfs"}, 500), (at + "/x", {**mount, "config": "{}"}, 500), (at + "/x", "not json", 400),
                    (at + "/x", {**mount, "config": {}}, 400), (at + "/x", [], 400), (at + "/x", {"source": "/x"}, 400), (at + "/x", None, 400),
                    (at + "/x", {**mount, "config": ""}, 500), (at + "/x", {**mount, "prefetch_files": ["relative"]}, 500),
                    (at + "/x", {**mount, "source": "/tmp"}, 500), (at + "/x", {**mount, "source": "/etc/passwd"}, 500),
                    (at + "/" + "n" * 256, mount, 500), (at + "/a/../b", mount, 500), (at + "/nul%00", mount, 400)):
                ask(status, "POST", target, body)
            for folder, _, files in os.walk(daemon.path("a/b/special")):
                for name in files:
                    with open(os.path.join(folder, name), "rb") if os.path.isfile(os.path.join(folder, name)) else open(os.devnull) as file:
                        file.read()
            ask(200, "GET", "/api/v1/daemon")
            ask(200, "GET", "/api/v1/daemon/events")
            ask(200, "GET", "/api/v1/daemon/backend?mountpoint=/a/b")
            ask(500, "GET", "/api/v1/daemon/backend?mountpoint=/nope")
            ask(400, "GET", "/api/v1/daemon/backend")
            for kind in ("", "/files", "/pattern", "/backend", "/blobcache"):
                for named in ("", "?id=/a/b", "?id=%2Fa%2Fb"):
                    self.assertTrue(ask(200, "GET", f"/api/v1/metrics{kind}{named}"))
                ask(404, "GET", f"/api/v1/metrics{kind}?id=poison")
            ask(200, "GET", "/api/v1/metrics/blobcache?id=test")
            self.assertTrue(ask(200, "GET", "/api/v1/metrics/files?id=/a/b&latest=true"))
            self.assertEqual(ask(200, "GET", "/api/v1/metrics/files?id=/a/b&latest=true"), [])
            ask(204, "GET", "/api/v1/metrics/inflight")
            self.assertTrue(ask(200, "GET", "/api/v1/actors")["mounts"])
            self.assertTrue(ask(200, "GET", "/api/v1/trace?mount=/a/b&opcode=READ&limit=100")["traceEvents"])
            ask(400, "GET", "/api/v1/trace?limit=0")
            self.assertEqual(ask(200, "GET", "/api/v1/config?id=/a/b"), {})
            ask(204, "PUT", "/api/v1/config?id=/a/b", {"registry_auth": "dGVzdDp0ZXN0"})
            self.assertEqual(ask(200, "GET", "/api/v1/config?id=%2Fa%2Fb"), {"registry_auth": "dGVzdDp0ZXN0"})
            for target, body, status in (("/a/b", {"bad": "x"}, 500), ("/nope", {"registry_auth": "x"}, 500), ("/a/b", [], 400)):
                ask(status, "PUT", "/api/v1/config?id=" + target, body)
            ask(400, "GET", "/api/v1/config")
            ask(400, "PUT", at + "/nope", {"log_level": "loud"})
            ask(500, "PUT", at + "/nope", mount)
            ask(500, "PUT", at + "/a/b", {**mount, "source": "/no/such"})
            ask(204, "PUT", at + "/a/b", {**mount, "source": image(TREE_IMAGES[1])})
            ask(204, "PUT", "/api/v1/mount", {"source": image(TREE_IMAGES[0]), "mountpoint": "old", "config": settings})
            ask(404, "GET", "/api/v1/metrics")  # which of the two?
            ask(204, "PUT", "/api/v1/mount", {"mountpoint": "old", "ops": "umount"})
            for gone, status in (("/nope", 500), ("/a", 500), ("/a/b", 204), ("/a/b", 500)):
                ask(status, "DELETE", at + gone)
            ask(404, "GET", "/api/v1/metrics?id=/a/b")
            for method, target, body, status in (
                    ("GET", "/api/v1/nothing", None, 404), ("GET", "/api/v1/daemon/", None, 404), ("PATCH", "/api/v1/daemon", None, 400),
                    ("DELETE", "/api/v1/daemon", None, 400), ("GET", "/api/v1/daemon", "a body", 400), ("PUT", "/api/v1/daemon", None, 400),
                    ("PUT", "/api/v1/daemon/exit", "a body", 400), ("PUT", "/api/v1/daemon/start", None, 400)):
                ask(status, method, target, body)
            ask(204, "PUT", "/api/v1/daemon/exit")
            self.assertEqual(daemon.process.wait(2), 0)
        answered = {seen.rsplit(" ", 1)[0] for seen in description.seen}
        self.assertEqual(description.operations() - answered, set())

    def test_the_check_of_answers_finds_what_is_wrong(self):
        description, right = Description(), {"max_errors": 1, "total_errors": 0, "max_size": 2, "total_size": 0, "errors": []}
        path = "/api/v1/daemon/events"
        self.assertEqual(description.objections("GET", path, 200, right), [])
        for wrong in ({**right, "more": 1}, {**right, "errors": [1]}, {**right, "max_size": "2"}, {**right, "max_size": True}, None,
                      {name: value for name, value in right.items() if name != "errors"}):
            self.assertNotEqual(description.objections("GET", path, 200, wrong), [], wrong)
        self.assertNotEqual(description.objections("GET", path, 204, None), [])
        self.assertNotEqual(description.objections("DELETE", path, 204, None), [])

    def test_half_sent_and_senseless_requests_harm_nobody(self):
        with Daemon() as daemon:
            before = len(os.listdir(f"/proc/{daemon.process.pid}/fd"))
            half = [b"", b"G", b"GET /api/v1/da", b"GET /api/v1/daemon HTTP/1.1\r\n", b"GET /api/v1/daemon HTTP/1.1\r\nHost: x\r\nAcc",
                    b"PUT /api/v1/daemon HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{\"log",
                    b"PUT /api/v1/daemon HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n20\r\nab"]
            waiting = [Raw(daemon, sent) for sent in half * 30]
            for sent in (b"\0" * 1000, b"\xff\xfe\r\n\r\n", b"GET\r\n\r\n", b"\r\n" * 1000, os.urandom(100000)):
                Raw(daemon, sent).close()
            head = b"PUT /api/v1/daemon HTTP/1.1\r\nHost: x\r\n"
            for sent in (b"GET /api/v1/daemon HTTP/9.9\r\n\r\n", b"GET /api/v1/daemon?" + b"x" * (1 << 20) + b" HTTP/1.1\r\n\r\n",
                         head + b"X: " + b"y" * (1 << 20) + b"\r\n\r\n", head + b"Content-Length: -1\r\n\r\n",
                         head + b"Content-Length: 99999999999999999999999\r\n\r\n", head + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
                         head + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffffff\r\n"):
                raw = Raw(daemon, sent)
                self.assertRegex(raw.first_line(), " [45][0-9][0-9] ", sent[:60])
                raw.close()
            self.assertEqual(daemon.call("GET", "/api/v1/daemon")[1]["state"], "RUNNING")
            # A client that was slow is answered all the same.
            waiting[1].socket.sendall(b"ET /api/v1/daemon HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertIn(" 200", waiting[1].first_line())
            for raw in waiting:
                raw.close()
            harness.until(lambda: len(os.listdir(f"/proc/{daemon.process.pid}/fd")) <= before)

    def test_bodies_of_ten_mebibytes_are_read_and_longer_ones_refused(self):
        with Daemon() as daemon:
            mount = {**BODY, "config": json.dumps(config(BLOBS))}
            padding = (10 << 20) - len(json.dumps({**mount, "more": ""}))
            self.assertEqual(daemon.call("POST", "/api/v1/mount?mountpoint=/big", {**mount, "more": "x" * padding})[0], 204)
            self.assertEqual(daemon.call("POST", "/api/v1/mount?mountpoint=/more", {**mount, "more": "x" * (padding + 1)})[0], 413)
            self.assertEqual(daemon.call("POST", "/api/v1/mount?mountpoint=/more", "[" * (10 << 20))[0], 400)
            self.assertEqual(os.listdir(daemon.mountpoint), ["big"])

    def test_two_hundred_clients_mount_read_and_unmount_at_once(self):
        with Daemon() as daemon:
            settings = config(BLOBS, daemon.directory + "/cache")

            def client(number):
                name = f"/n{number % 7}/c{number}"
                statuses = [daemon.mount(name, image(TREE_IMAGES[number % 3]), settings)[0],
                            len(os.listdir(daemon.path(name[1:], "special"))) and 204,
                            daemon.call("GET", "/api/v1/metrics?id=" + name)[0] + 4,
                            daemon.umount(name)[0]]
                return set(statuses)
            with concurrent.futures.ThreadPoolExecutor(200) as pool:
                self.assertEqual(set().union(*pool.map(client, range(200))), {204})
            self.assertEqual(os.listdir(daemon.mountpoint), [])

    def test_counters_count_what_was_read_and_nothing_else(self):
        with tempfile.TemporaryDirectory() as folder, Daemon() as daemon:
            os.makedirs(folder + "/source"), os.mkdir(folder + "/blobs")
            for number, text in ((1, "file-1"), (2, "file-2-is12!")):
                with open(f"{folder}/source/file-{number}", "w") as file:
                    file.write(text)
            boot = build_image(folder + "/source", folder + "/blobs", folder + "/boot")
            settings = config(folder + "/blobs", folder + "/cache", iostats_files=True, access_pattern=True, latest_read_files=True)
            self.assertEqual(daemon.mount("/m", boot, settings)[0], 204)
            for number, total in ((1, 6), (2, 18)):
                with open(daemon.path(f"m/file-{number}")) as file:
                    file.read()
                shown = daemon.call("GET", "/api/v1/metrics?id=%2Fm")[1]
                self.assertEqual((shown["data_read"], shown["fop_hits"][4]), (total, number))
            inode = str(os.stat(daemon.path("m/file-2")).st_ino & ((1 << 44) - 1))
            self.assertEqual(daemon.call("GET", "/api/v1/metrics/files")[1][inode]["data_read"], 12)
            self.assertEqual(len(daemon.call("GET", "/api/v1/metrics/pattern")[1]), 2)
            cache = daemon.call("GET", "/api/v1/metrics/blobcache")[1]
            self.assertEqual((cache["total"], cache["entries_count"], cache["data_all_ready"]), (2, 2, True))
            backend = daemon.call("GET", "/api/v1/metrics/backend")[1]
            self.assertEqual((backend["read_count"], backend["read_errors"]), (1, 0))  # both were merged into one read
            self.assertEqual(sum(backend["read_count_block_size_dist"]), 1)
            # Errors are counted where they happen: the blob is gone, nothing is cached under another mount.
            self.assertEqual(daemon.mount("/lost", boot, config("/var/empty", iostats_files=True))[0], 204)
            with self.assertRaises(OSError):
                open(daemon.path("lost/file-2")).read()
            failed = daemon.call("GET", "/api/v1/metrics?id=/lost")[1]["fop_errors"][4]
            self.assertGreater(failed, 0)
            self.assertEqual(daemon.call("GET", "/api/v1/metrics/files?id=/lost")[1][inode]["fop_errors"][4], failed)
            self.assertGreater(daemon.call("GET", "/api/v1/metrics/backend?id=/lost")[1]["read_errors"], 0)
            events = daemon.call("GET", "/api/v1/daemon/events")[1]
            self.assertGreater(events["total_errors"], 0)

    def test_counters_of_a_layered_image_are_those_of_all_its_blobs(self):
        with Daemon() as daemon:
            settings = config(BLOBS, daemon.directory + "/cache", fs_prefetch={"enable": True})
            self.assertEqual(daemon.mount("/m", image("v5-layered-upper"), settings)[0], 204)
            harness.until(lambda: daemon.call("GET", "/api/v1/metrics/blobcache?id=/m")[1]["prefetch_end_time_secs"])
            shown = daemon.call("GET", "/api/v1/metrics/blobcache?id=/m")[1]
            self.assertEqual(len(shown["underlying_files"]), 2)
            backend = daemon.call("GET", "/api/v1/metrics/backend?id=/m")[1]
            self.assertEqual(backend["read_amount_total"], shown["prefetch_data_amount"])
            self.assertGreaterEqual(backend["read_count"], 2)
            # Another daemon on the same cache has all of it from the start.
            entries = shown["entries_count"]
            with Daemon() as other:
                self.assertEqual(other.mount("/m", image("v5-layered-upper"), config(BLOBS, daemon.directory + "/cache"))[0], 204)
                self.assertEqual(other.call("GET", "/api/v1/metrics/blobcache?id=/m")[1]["entries_count"], entries)
