from __future__ import annotations

import json
import os
import platform
import subprocess
import sys

import pytest

from carapace.confine import SystemCall, filter_program, seal

PROBE = """
import json, os, resource, sys
from carapace.confine import confine
confine(int(sys.argv[1]), max_memory_bytes=2**31, max_data_bytes=2**30, max_cpu_s=7)
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
    "data": resource.getrlimit(resource.RLIMIT_DATA),
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
    assert seen["data"] == [2**30, 2**30]
    assert seen["cpu"] == [7, 7]


@pytest.mark.slow
def test_an_orphan_does_not_start(tmp_path):
    done = probe(tmp_path, 1)
    assert done.returncode != 0
    assert "the gateway is gone" in done.stderr


SOME = (SystemCall("write", 1, 64), SystemCall("poll", 7, None), SystemCall("ppoll", 271, 73))


def test_a_filter_has_the_numbers_of_its_machine_only():
    x86, arm = (filter_program(machine, SOME) for machine in ("x86_64", "aarch64"))
    assert x86 is not None
    assert arm is not None
    assert len(x86) == len(arm) + 8  # one call is not there on ARM64


def test_a_filter_that_could_not_jump_over_all_its_calls_is_refused():
    with pytest.raises(ValueError, match="room for 255"):
        filter_program("x86_64", SOME * 100)


def test_a_system_that_has_no_seal_says_so(monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: "vax")
    assert seal(SOME) is False


SEALED = """
import os, sys
from carapace.confine import SystemCall, confine, seal
confine(int(sys.argv[1]))
seal((SystemCall("write", 1, 64), SystemCall("exit_group", 231, 94), SystemCall("futex", 202, 98)))
try:
    os.getppid()
    os.mkdir("/nowhere/at/all")
except OSError as error:
    os.write(1, str(error.errno).encode())
os._exit(0)
"""


@pytest.mark.slow
@pytest.mark.skipif(
    sys.platform != "linux" or filter_program(platform.machine(), SOME) is None, reason="no seal"
)
def test_a_sealed_process_is_refused_what_is_not_on_its_list():
    done = subprocess.run(
        [sys.executable, "-c", SEALED, str(os.getpid())], capture_output=True, check=True
    )
    assert done.stdout == b"1"  # EPERM, where an open system says ENOENT
