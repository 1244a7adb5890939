from __future__ import annotations

import json
import os
import platform
import struct
import subprocess
import sys
from typing import Any

import pytest

from carapace import confine
from carapace.confine import (
    FORBIDDEN,
    SystemCall,
    can_fence,
    denial_program,
    fence,
    filter_program,
    forbid,
    seal,
)

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


# ---- what a command that somebody asked for gives up

ALLOW, REFUSE, NO_SUCH, KILL = 0x7FFF_0000, 0x0005_0001, 0x0005_0026, 0x8000_0000
X86, ARM = 0xC000_003E, 0xC000_00B7


def verdict(program: bytes, number: int, argument: int = 0, mark: int = X86) -> int:
    """What the kernel would make of a system call: the filter's own steps, one after another."""
    steps = list(struct.iter_unpack("=HBBI", program))
    data = {0: number, 4: mark, 16: argument}
    at, value = 0, 0
    while True:
        code, if_true, if_false, constant = steps[at]
        at += 1
        if code == 0x20:
            value = data[constant]
        elif code == 0x06:
            return constant
        else:
            holds = {0x15: value == constant, 0x35: value >= constant, 0x45: value & constant}
            at += if_true if holds[code] else if_false


@pytest.mark.parametrize(("machine", "mark"), [("x86_64", X86), ("aarch64", ARM)])
@pytest.mark.parametrize("network", [True, False])
def test_forbidden_calls_are_refused_and_others_pass(machine: str, mark: int, network: bool):
    program = denial_program(machine, network=network)
    assert program is not None
    for call in FORBIDDEN:
        number = call.on_x86_64 if machine == "x86_64" else call.on_aarch64
        if number is not None:
            assert verdict(program, number, mark=mark) == REFUSE, call.name
    clone, socket = (56, 41) if machine == "x86_64" else (220, 198)
    assert verdict(program, clone, 0x11, mark) == ALLOW
    for flags in (0x1000_0000, 0x2_0000, 0x4000_0011):
        assert verdict(program, clone, flags, mark) == REFUSE
    assert verdict(program, 435, mark=mark) == NO_SUCH
    assert verdict(program, 63, mark=mark) == ALLOW
    for family in (2, 10, 16):
        assert verdict(program, socket, family, mark) == (ALLOW if network else REFUSE)
    for family in (0, 1, 17, 40):
        assert verdict(program, socket, family, mark) == REFUSE
    assert verdict(program, 0x4000_0000, mark=mark) == REFUSE
    assert verdict(program, 63, mark=1) == KILL


def test_machines_without_a_filter_say_so(monkeypatch: pytest.MonkeyPatch):
    assert denial_program("riscv64", network=False) is None
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    assert not can_fence()
    assert not forbid(network=False)


def test_kernels_without_landlock_say_so(monkeypatch: pytest.MonkeyPatch, tmp_path):
    def refused(*_: object) -> int:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(confine, "_landlock", refused)
    assert not can_fence()
    with pytest.raises(OSError, match="no Landlock"):
        fence(writable=[str(tmp_path)], readable=[], network=False)


@pytest.mark.parametrize(
    ("version", "handled", "fields"), [(1, 13, 1), (2, 14, 1), (3, 15, 1), (4, 15, 2), (7, 16, 3)]
)
def test_older_kernels_are_asked_for_what_they_know(
    monkeypatch: pytest.MonkeyPatch, tmp_path, version: int, handled: int, fields: int
):
    asked: list[tuple[Any, ...]] = []

    def answered(call: int, *arguments: object) -> int:
        asked.append((call, *arguments))
        if arguments[0] is None:
            return version
        return os.open(os.devnull, os.O_RDONLY) if call == 444 else 0

    monkeypatch.setattr(confine, "_landlock", answered)
    file = tmp_path / "file"
    file.write_text("")
    readable = [str(file), str(tmp_path / "missing")]
    fence(writable=[str(tmp_path)], readable=readable, network=False)
    rules = [struct.unpack("=Qi", one[3])[0] for one in asked if one[0] == 445]
    head = next(one[1] for one in asked if one[0] == 444 and one[1] is not None)
    numbers = struct.unpack(f"={fields}Q", head)
    assert numbers == ((1 << handled) - 1, 3, 3)[:fields]
    assert rules == [(1 << handled) - 1, 0b101]  # all in the folder; read and run the file
    assert asked[-1][0] == 446


@pytest.mark.slow
@pytest.mark.skipif(not can_fence(), reason="needs Landlock and seccomp")
def test_a_fenced_process_is_bounded_for_good(tmp_path):
    code = """
import os, resource, sys
from carapace.confine import fence, forbid, give_up_privileges, limit
limit(max_memory_bytes=2**30, max_file_bytes=2**20, max_cpu_s=7, max_processes=9)
give_up_privileges()
fence(writable=[sys.argv[1]], readable=["/usr"], network=False)
assert forbid(network=False)
limits = [resource.getrlimit(one) for one in (resource.RLIMIT_DATA, resource.RLIMIT_FSIZE,
          resource.RLIMIT_CPU, resource.RLIMIT_CORE)]
try:
    os.listdir("/etc"); saw = True
except PermissionError:
    saw = False
try:
    os.setsid(); left = True
except PermissionError:
    left = False
threads = resource.getrlimit(resource.RLIMIT_NPROC)[0]
print([limits, saw, left, threads >= 9, os.nice(0) >= 5])
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False
    )
    limits = [(2**30,) * 2, (2**20,) * 2, (7, 7), (0, 0)]
    assert done.stdout == f"{[limits, False, False, True, True]}\n", done.stderr
