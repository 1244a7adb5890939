"""A sealed process computes on its pipes, and that is all."""

from __future__ import annotations

import json
import platform
import subprocess
import sys

import pytest

from carapace.confine import filter_program
from carapace.media.seal import CALLS, seal

PROBE = """
import json, os, socket, sys
from carapace.confine import confine
from carapace.media.seal import seal
confine(int(sys.argv[1]))
is_sealed = seal()
def tried(what):
    try:
        what()
    except OSError as error:
        return error.errno
    return "done"
print(json.dumps({
    "sealed": is_sealed,
    "open": tried(lambda: os.open("/etc/hostname", os.O_RDONLY)),
    "create": tried(lambda: os.open("/tmp/x", os.O_CREAT | os.O_WRONLY)),
    "socket": tried(lambda: socket.socket()),
    "fork": tried(os.fork),
    "exec": tried(lambda: os.execv("/bin/true", ["true"])),
    "kill": tried(lambda: os.kill(os.getppid(), 0)),
    "unlink": tried(lambda: os.unlink("/tmp/x")),
    "memory": len(bytearray(50_000_000)),
    "read": sys.stdin.read(),
}), flush=True)
os._exit(0)
"""


@pytest.mark.slow
@pytest.mark.skipif(
    sys.platform != "linux" or filter_program(platform.machine(), CALLS) is None,
    reason="no seal here",
)
def test_a_sealed_process_can_read_write_and_allocate_and_nothing_else():
    import os  # noqa: PLC0415 - its id is all that is needed

    done = subprocess.run(
        [sys.executable, "-c", PROBE, str(os.getpid())],
        input="hello",
        capture_output=True,
        text=True,
        check=True,
    )
    seen = json.loads(done.stdout)
    assert seen.pop("sealed") is True
    assert seen.pop("memory") == 50_000_000
    assert seen.pop("read") == "hello"
    assert set(seen.values()) == {1}  # EPERM


def test_machines_we_know_have_a_filter_and_others_none():
    for machine in ("x86_64", "aarch64"):
        program = filter_program(machine, CALLS)
        assert program is not None
        assert len(program) % 8 == 0
    assert filter_program("vax", CALLS) is None


def test_every_jump_of_the_filter_lands_in_it():
    program = filter_program("x86_64", CALLS)
    assert program is not None
    steps = [program[at : at + 8] for at in range(0, len(program), 8)]
    for at, step in enumerate(steps):
        assert at + 1 + max(step[2], step[3]) <= len(steps)
    assert steps[-1][0] == steps[-2][0] == 6  # both ends answer


def test_a_system_without_a_seal_says_so(monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: "vax")
    assert seal() is False


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has it")
def test_a_process_that_could_gain_privileges_cannot_be_sealed():
    # Without no_new_privs the kernel wants the right to administer; a user has none.
    script = (
        "import os\n"
        "if os.geteuid() == 0:\n"
        "    os.setgid(65534); os.setuid(65534)\n"
        "from carapace.media.seal import seal\n"
        "try:\n    seal()\nexcept OSError as error:\n    print(error.errno)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", "import carapace.media.seal\n" + script],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() in ("13", "1")
