"""The process beside a command: it ends with the gateway, and says what became of the command."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from carapace.agent.exec.keeping import spec_of
from carapace.agent.exec.looking import look_at
from carapace.confine import can_fence
from support.commands import Yard, script

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not can_fence(), reason="needs Landlock and seccomp"),
]
KEEPER = (sys.executable, "-m", "carapace.agent.exec.keeper")


def kept(yard: Yard, argv: list[str], **changes: Any) -> tuple[str, str]:
    """What the keeper told, and what the command wrote."""
    opened = look_at(argv, None, yard.look)
    status_read, status_write = os.pipe()
    spec = spec_of(opened, yard.fence, private=str(yard.private), max_cpu_s=5)
    spec |= {"status_fd": status_write, "parent_pid": os.getpid(), **changes}
    done = subprocess.run(
        KEEPER,
        input=json.dumps(spec).encode(),
        capture_output=True,
        pass_fds=(
            status_write,
            opened.program_fd,
            opened.cwd_fd,
            *((changes["stdin_fd"],) if "stdin_fd" in changes else ()),
        ),
        start_new_session=True,
        check=False,
    )
    opened.close()
    os.close(status_write)
    with os.fdopen(status_read) as told:
        assert done.returncode == -signal.SIGKILL  # it ends its whole group, itself included
        return told.read(), done.stdout.decode()


def test_the_exit_code_is_told_last(tmp_path: Path):
    assert kept(Yard(tmp_path), ["sh", "-c", "echo hi; exit 7"]) == ('{"code": 7}\n', "hi\n")


def test_a_signal_is_told(tmp_path: Path):
    assert kept(Yard(tmp_path), ["sh", "-c", "kill -TERM $$"])[0] == '{"signal": 15}\n'


def test_an_orphan_starts_nothing(tmp_path: Path):
    assert kept(Yard(tmp_path), ["echo", "hi"], parent_pid=1) == ("", "")


def test_a_command_may_be_given_an_input(tmp_path: Path):
    given, ours = os.pipe()
    os.write(ours, b"ping\n")
    os.close(ours)
    assert kept(Yard(tmp_path), ["cat"]) == ('{"code": 0}\n', "")
    assert kept(Yard(tmp_path), ["cat"], stdin_fd=given) == ('{"code": 0}\n', "ping\n")
    os.close(given)


def test_a_program_that_was_swapped_is_not_started(tmp_path: Path):
    yard = Yard(tmp_path)
    script(yard.root / "tool")
    other = script(yard.root / "other", "#!/bin/sh\necho evil\n")
    told, said = kept(yard, ["./tool"], path=str(other))
    assert "replaced while it was started" in told
    assert said == ""


@pytest.mark.parametrize(
    "changes", [{"writable": ["/no/such/folder"]}, {"max_cpu_s": "many"}, {"cwd_fd": 999}]
)
def test_without_its_fence_nothing_runs(tmp_path: Path, changes: dict[str, Any]):
    told, said = kept(Yard(tmp_path), ["echo", "hi"], **changes)
    assert json.loads(told.splitlines()[0])["error"]
    assert said == ""


def test_without_a_fence_where_the_operator_says_so(tmp_path: Path):
    outside = tmp_path / "outside.txt"
    outside.write_text("seen")
    assert kept(Yard(tmp_path, is_fenced=False), ["cat", str(outside)])[1] == "seen"
    assert kept(Yard(tmp_path), ["cat", str(outside)])[1] == ""


def test_the_command_has_no_files_of_ours_and_nothing_to_read(tmp_path: Path):
    numbers = " ".join(str(one) for one in range(64))
    program = f"for n in {numbers}; do [ -e /dev/fd/$n ] && echo $n; done; read line || echo end"
    _, said = kept(Yard(tmp_path), ["sh", "-c", program])
    assert said.split() == ["0", "1", "2", "end"]
