# SPDX-License-Identifier: Apache-2.0
"""A guest without a virtual machine: bench/hung_guest on the vhost-user socket of a daemon, told what to do line by line."""
import json
import os
import select
import subprocess

from harness import ROOT

PROGRAM = os.path.join(ROOT, "build/bench/hung_guest")


class QueueReader:
    """Reads `file` on one virtqueue, and `hung` beside it on the same one; paths are from the root of what is served.

    `same_as`: a copy of `file`, with which every answer is compared. Leaving the `with` block ends it.
    """

    def __init__(self, vhost, file, hung, same_as=None, **options):
        self.patience = 20 + options.get("seconds", 0)
        words = [word for name, value in {"same_as": same_as, **options}.items() if value is not None
                 for word in ("--" + name.replace("_", "-"), str(value))]
        self.process = subprocess.Popen([PROGRAM, "--sock", vhost, "--file", file, "--hung", hung, *words],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.answer()

    def tell(self, order):
        """Has it begin `measure`, `hang`, `outcomes` or `wait`; answer() gives what came of it."""
        self.process.stdin.write(order + "\n")
        self.process.stdin.flush()

    def answer(self):
        if not select.select([self.process.stdout], [], [], self.patience)[0]:
            raise AssertionError(f"the guest has not answered within {self.patience} s")
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(f"the guest ended with {self.process.wait()}")
        return json.loads(line)

    def ask(self, order):
        self.tell(order)
        return self.answer()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
