# SPDX-License-Identifier: Apache-2.0
"""Over virtio-fs as over /dev/fuse: what goes wrong with one mount, or with the API, is not felt on the queue by the others."""
import errno
import time

from guest import SocketDaemon
from harness import UnixConnection
from hung_backend import HungBackend, needs_bindfs, within
from isolation_test import CHUNK, MOUNTS, PATIENCE, Images
from queue_reader import QueueReader

HUNG_READS = 64
CLIENTS = 500


class OnOneQueue(Images):
    def reader(self, daemon, hung, **options):
        """A guest that reads the mount `good` all along and `hung` when told."""
        return QueueReader(daemon.vhost, "good/big", hung + "/big", same_as=self.folder + "/big/big",
                           hung_reads=HUNG_READS, hung_stride=2 * CHUNK, seconds=0.5, **options)

    @needs_bindfs
    def test_reads_that_hang_hold_up_no_other_of_their_queue_and_get_eio_once_their_mount_is_unmounted(self):
        with HungBackend(self.blobs) as backend, SocketDaemon("virtiofs") as daemon:
            for number in range(MOUNTS - 2):
                self.mount(daemon, f"more-{number}", self.small)
            self.mount(daemon, "good", self.big)
            self.mount(daemon, "hung", self.big, backend.path)
            with self.reader(daemon, "hung") as guest:
                self.assertGreater(guest.ask("measure")["rate"], 0)
                backend.hang()
                self.assertEqual(guest.ask("hang"), {})
                self.assert_waiting(daemon, HUNG_READS)
                self.assertGreater(guest.ask("measure")["rate"], 0)
                self.assert_api_answers(daemon)
                self.mount(daemon, "new", self.small)
                self.assertEqual(within(PATIENCE, daemon.umount, "/more-0")[0], 204)
                self.assertEqual(guest.ask("outcomes"), {})  # they still wait, and nothing made up was answered
                began = time.monotonic()
                self.assertEqual(within(PATIENCE, daemon.umount, "/hung")[0], 204)
                self.assertEqual(guest.ask("wait"), {str(errno.EIO): HUNG_READS})
                self.assertLess(time.monotonic() - began, 5)
                self.assertGreater(guest.ask("measure")["rate"], 0)

    @needs_bindfs
    def test_reads_that_hang_get_their_bytes_when_their_backend_goes_on(self):
        with HungBackend(self.blobs) as backend, SocketDaemon("virtiofs") as daemon:
            self.mount(daemon, "good", self.big)
            self.mount(daemon, "hung", self.big, backend.path)
            with self.reader(daemon, "hung") as guest:
                backend.hang()
                guest.ask("hang")
                self.assert_waiting(daemon, HUNG_READS)
                backend.go_on()
                self.assertEqual(guest.ask("wait"), {"0": HUNG_READS})

    @needs_bindfs
    def test_told_to_end_the_daemon_ends_while_reads_of_a_guest_hang(self):
        with HungBackend(self.blobs) as backend, SocketDaemon("virtiofs") as daemon:
            self.mount(daemon, "good", self.big)
            self.mount(daemon, "hung", self.big, backend.path)
            with self.reader(daemon, "hung") as guest:
                backend.hang()
                guest.ask("hang")
                self.assert_waiting(daemon, HUNG_READS)
                self.assertEqual(daemon.stop(within=5), 0)

    def test_five_hundred_clients_flood_the_api_while_a_guest_reads(self):
        targets = ["daemon", "metrics?id=/good", "metrics/inflight", "metrics/blobcache?id=/good", "nothing", "actors", "trace?limit=10"]
        with SocketDaemon("virtiofs") as daemon:
            self.mount(daemon, "good", self.big)
            with self.reader(daemon, "good") as guest:
                guest.tell("measure")
                clients = [UnixConnection(daemon.socket) for _ in range(CLIENTS)]
                for place, client in enumerate(clients):
                    client.request("GET", "/api/v1/" + targets[place % len(targets)])
                statuses = {client.getresponse().status for client in clients}
                for client in clients:
                    client.close()
                self.assertEqual(statuses - {200, 204, 404}, set())
                self.assertIn(200, statuses)
                self.assertGreater(guest.answer()["rate"], 0)
            self.assertEqual(daemon.call("GET", "/api/v1/daemon")[0], 200)
