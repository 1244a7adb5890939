"""What a command of an agent cannot reach, tried by real programs inside the real fence."""

from __future__ import annotations

import dataclasses
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from carapace.agent.exec.types import Exit
from carapace.confine import can_fence
from support.commands import Yard
from support.polling import until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not can_fence(), reason="needs Landlock and seccomp"),
]

PYTHON = next(
    (path for path in ("/usr/bin/python3", "/usr/local/bin/python3") if os.access(path, os.X_OK)),
    None,
)
needs_python = pytest.mark.skipif(PYTHON is None, reason="needs a Python of the system")


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    made = Yard(tmp_path)
    (made.state / "secret").write_text("hush")
    (made.root / "mine").write_text("mine")
    return made


@pytest.fixture
def listener() -> Iterator[tuple[str, int]]:
    """A server that a command might talk to."""
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made.getsockname()


async def shell(yard: Yard, text: str, **changes: bool) -> str:
    """What a shell inside the fence says, its complaints included."""
    kept = await dataclasses.replace(yard, **changes).run(["sh", "-c", text])
    assert kept.exit is not None
    assert kept.exit.error is None
    return kept.stdout.text + kept.stderr.text


async def python(yard: Yard, text: str, **changes: bool) -> str:
    kept = await dataclasses.replace(yard, **changes).run([str(PYTHON), "-I", "-c", text])
    assert kept.exit is not None
    assert kept.exit.error is None
    return kept.stdout.text + kept.stderr.text


def is_refused(said: str) -> bool:
    """Whether a program complains; a link out of the fence is one to another device."""
    words = ("ermission denied", "not permitted", "cross-device")
    return any(one in said for one in words)


async def test_the_workspace_and_a_private_folder_are_its_own(yard: Yard):
    said = await shell(
        yard,
        "cat mine; mkdir d && echo x > d/f && mv d/f g && ln g h && rm -r d && echo done;"
        " echo y > $TMPDIR/f && cat $HOME/f; test -e /usr/bin/env && echo sees",
    )
    assert said == "minedone\ny\nsees\n"


@pytest.mark.parametrize(
    "text",
    [
        "cat {state}/secret",
        "ls {state}",
        "cat {root}/../state/secret",
        "ln -s {state}/secret l; cat l",
        "ln {state}/secret l; cat l",
        "cp {state}/secret .; cat secret",
        "cat /proc/{pid}/environ",
        "ls /proc/{pid}/fd",
        "ls /proc/{pid}/cwd/",
        "cat /proc/{pid}/cmdline",
        "ls /home /root /var /tmp",
        "cat /etc/shadow",
        "ls /etc",
        "cat /proc/1/cmdline",
        "ls /dev/shm",
    ],
)
async def test_what_is_not_its_own_cannot_be_read(yard: Yard, text: str):
    said = await shell(
        yard, text.format(state=yard.state, root=yard.root, pid=os.getpid()) + "; true"
    )
    assert "hush" not in said
    assert is_refused(said)


@pytest.mark.parametrize(
    "text",
    [
        "echo x > {state}/secret",
        "echo x > {state}/new",
        "echo x > /tmp/{name}",
        "rm {state}/secret",
        "mv {state}/secret .",
        "mv mine {state}/",
        "ln mine {state}/l",
        "mkdir {state}/d",
        "mkfifo {state}/q",
        "ln -s {state} s; echo x > s/secret",
        "truncate -s 0 {state}/secret",
        "chmod 777 {state}/secret",
        "chmod 777 {state}",
        "chown 1:1 {state}/secret",
        "echo x > /dev/shm/{name}",
        "echo x > /proc/self/oom_score_adj",
        "echo x > {base}/f",
    ],
)
async def test_what_is_not_its_own_cannot_be_changed(yard: Yard, text: str):
    def facts() -> list[tuple[str, int, int, int]]:
        return sorted(
            (str(one), (facts := one.lstat()).st_mode, facts.st_size, facts.st_uid)
            for one in yard.state.rglob("*")
            if yard.private not in (one.parent, one)
        )

    before, mode = facts(), yard.state.stat().st_mode
    name = f"escaped-{os.getpid()}"
    said = await shell(yard, text.format(state=yard.state, base=yard.base, name=name) + "; true")
    assert is_refused(said)
    assert (facts(), yard.state.stat().st_mode) == (before, mode)
    assert not Path("/tmp", name).exists()  # noqa: S108 - looks only
    assert not (yard.base / "f").exists()
    assert (yard.state / "secret").read_text() == "hush"


async def test_no_signal_reaches_the_gateway_or_its_keeper(yard: Yard):
    said = await shell(yard, f"kill -0 {os.getpid()}; kill -0 $PPID; true")
    assert said.count("not permitted") == 2


@pytest.mark.parametrize("text", ["setsid true", "unshare -r true", "mount -t tmpfs x /mnt"])
async def test_no_other_session_namespace_or_mount(yard: Yard, text: str):
    said = await shell(yard, text + "; echo $?")
    assert not said.endswith("\n0\n")
    assert "not permitted" in said or "ermission denied" in said or "must be superuser" in said


@needs_python
@pytest.mark.parametrize("family", ["AF_INET", "AF_INET6", "AF_UNIX", "AF_NETLINK"])
async def test_no_sockets_of_any_kind(yard: Yard, family: str):
    said = await python(yard, f"import socket; socket.socket(socket.{family})")
    assert "PermissionError" in said


@needs_python
async def test_the_network_only_where_the_operator_says_so(yard: Yard, listener: tuple[str, int]):
    connect = f"import socket; socket.create_connection({listener!r}, 2); print('in')"
    assert "PermissionError" in await python(yard, connect)
    assert await python(yard, connect, network=True) == "in\n"
    local = "import socket; socket.socket(socket.AF_UNIX)"
    assert "PermissionError" in await python(yard, local, network=True)


_CALL = (
    "import ctypes, os; l = ctypes.CDLL(None, use_errno=True); print({call}, ctypes.get_errno())"
)


@needs_python
@pytest.mark.skipif(sys.maxsize < 2**32, reason="numbers of 64-bit machines")
@pytest.mark.parametrize(
    "call",
    [
        "l.ptrace(16, {pid}, 0, 0)",
        "l.syscall(425, 8, 0)",  # io_uring_setup
        "l.unshare(0x10000000)",
        "l.mount(b'x', b'/mnt', b'tmpfs', 0, 0)",
        "l.chroot(b'.')",
        "l.truncate(b'{state}/secret', 0)",
        "l.setpgid(0, 0)",
        "l.setsid()",
        "l.chmod(b'{state}/secret', 0o777)",
        "l.setxattr(b'{state}/secret', b'user.a', b'x', 1, 0)",
        "l.process_vm_readv({pid}, 0, 0, 0, 0, 0)",
    ],
)
async def test_system_calls_that_no_command_gets(yard: Yard, call: str):
    text = _CALL.replace("{call}", call).replace("{pid}", str(os.getpid()))
    said = await python(yard, text.replace("{state}", str(yard.state)))
    assert said.strip() == "-1 1"  # EPERM


@needs_python
async def test_no_new_privileges_whoever_started_the_gateway(yard: Yard):
    said = await python(
        yard,
        "print([l.split()[1] for l in open('/proc/self/status')"
        " if l.startswith(('CapEff', 'CapPrm', 'CapBnd', 'NoNewPrivs', 'Seccomp:'))])",
    )
    capabilities = ["0" * 16] * (3 if os.geteuid() == 0 else 2)
    found = said.strip("[]\n").replace("'", "").split(", ")
    assert found[: len(capabilities)] == capabilities
    assert found[-2:] == ["1", "2"]


@needs_python
async def test_memory_and_files_have_their_bounds(yard: Yard):
    assert "MemoryError" in await python(yard, "bytearray(3 << 30)")
    said = await python(
        yard,
        "import os, signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "f = os.open('big', os.O_CREAT | os.O_WRONLY)\nos.ftruncate(f, 2 << 30)",
    )
    assert "File too large" in said


async def test_what_goes_on_in_the_background_is_ended_with_the_command(yard: Yard):
    kept = await yard.run(["sh", "-c", "(trap '' TERM HUP; sleep 67) & nohup sleep 67 & echo ok"])
    assert kept.exit == Exit(code=0)

    def left() -> bool:
        for one in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):  # gone meanwhile
                if one.read_bytes() == b"sleep\x0067\x00":
                    return True
        return False

    await until(lambda: not left(), deadline_s=20)
