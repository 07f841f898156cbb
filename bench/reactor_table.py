# SPDX-License-Identifier: Apache-2.0
"""What messages cost on our reactor; no peer has one."""
import json

from contestant import program


def reactor(repeats):
    samples = {}
    for _ in range(repeats):
        for line in program("reactor_bench").splitlines():
            seen = json.loads(line)
            row = seen.pop("row")
            for key, value in seen.items():
                unit = "per second" if key == "rate" else f"{key}, us"
                samples.setdefault(f"{row}: {unit}", []).append(value)
    return [(title, {"ours": values}, {}) for title, values in samples.items()]
