from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

PROBE = """
import json, os, resource, sys
from carapace.confine import confine
confine(int(sys.argv[1]), max_memory_bytes=2**31, max_cpu_s=7)
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
try:
    with open(sys.argv[2], "w") as file: file.write("x")
    wrote = True
except OSError:
    wrote = False
print(json.dumps({
    "privs": status["NoNewPrivs"].strip(),
    "core": resource.getrlimit(resource.RLIMIT_CORE),
    "files": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
    "memory": resource.getrlimit(resource.RLIMIT_AS),
    "cpu": resource.getrlimit(resource.RLIMIT_CPU),
    "nice": os.nice(0), "wrote": wrote}))
"""


def probe(tmp_path, parent):
    return subprocess.run(
        [sys.executable, "-c", PROBE, str(parent), str(tmp_path / "f")],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_confined_process_has_little_left(tmp_path):
    done = probe(tmp_path, os.getpid())
    seen = json.loads(done.stdout)
    assert seen["privs"] == "1"
    assert seen["core"] == [0, 0]
    assert seen["files"] <= 256
    assert seen["nice"] >= 5
    assert not seen["wrote"]
    assert seen["memory"] == [2**31, 2**31]
    assert seen["cpu"] == [7, 7]


@pytest.mark.slow
def test_an_orphan_does_not_start(tmp_path):
    done = probe(tmp_path, 1)
    assert done.returncode != 0
    assert "the gateway is gone" in done.stderr
