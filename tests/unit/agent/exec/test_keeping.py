"""A command runs to its end, and nothing of it is left whatever that end is."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from carapace.agent.exec import keeping
from carapace.agent.exec.keeping import Fence, Kept, run, spec_of
from carapace.agent.exec.looking import look_at
from carapace.agent.exec.types import Exit
from carapace.confine import can_fence
from carapace.tasks import Tasks
from support.commands import Yard, script
from support.polling import until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not can_fence(), reason="needs Landlock and seccomp"),
]


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    return Yard(tmp_path)


async def test_output_and_exit_code_are_kept_and_the_private_folder_is_gone(yard: Yard):
    kept = await yard.run(["sh", "-c", "echo out; echo err >&2; echo x > $HOME/f; exit 3"])
    assert kept.exit == Exit(code=3)
    assert (kept.stdout.text, kept.stderr.text) == ("out\n", "err\n")
    assert kept.ended.is_set()
    assert list(yard.private.iterdir()) == []


async def test_arguments_reach_the_program_as_they_are(yard: Yard):
    kept = await yard.run(["printf", "%s|", "$(id)", "a b", "*", "", "`x`;"])
    assert kept.stdout.text == "$(id)|a b|*||`x`;|"


async def test_a_script_runs_by_its_name(yard: Yard):
    script(yard.root / "tool", '#!/bin/sh\necho "$0"\n')
    kept = await yard.run(["./tool"])
    assert kept.stdout.text.strip().endswith("/tool")


async def test_it_ends_in_time_with_all_it_started(yard: Yard):
    kept = await yard.run(["sh", "-c", "sleep 60 & sleep 61"], timeout_s=0.5)
    assert kept.exit == Exit(timed_out=True)
    await gone("sleep\x0060", "sleep\x0061")


async def test_what_it_leaves_behind_is_ended_with_it(yard: Yard):
    kept = await yard.run(["sh", "-c", "sleep 62 & echo done"])
    assert kept.exit == Exit(code=0)
    await gone("sleep\x0062")


async def test_a_signal_is_told(yard: Yard):
    assert (await yard.run(["sh", "-c", "kill -9 $$"])).exit == Exit(signal=9)


async def test_a_cancelled_run_leaves_nothing(yard: Yard):
    kept, tasks = Kept(), Tasks("test", lambda _name, _error: None)
    opened = look_at(["sh", "-c", "echo begun; sleep 63"], None, yard.look)
    tasks.start(run(opened, yard.fence, kept, timeout_s=60, folder=yard.private), name="run")
    await until(lambda: "begun" in kept.stdout.text, deadline_s=20)
    await tasks.close()
    assert kept.exit == Exit(killed=True)
    await gone("sleep\x0063")
    assert list(yard.private.iterdir()) == []


async def test_a_command_that_cannot_start_says_why(yard: Yard):
    script(yard.root / "tool", "#!/no/such/interpreter\n")
    kept = await yard.run(["./tool"])
    assert kept.exit is not None
    assert kept.exit.error == "No such file or directory"


async def test_a_keeper_that_is_lost_takes_the_command_along(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(keeping, "_KEEPER", (sys.executable, "-c", "raise SystemExit"))
    kept = await yard.run(["echo"])
    assert kept.exit is not None
    assert "was lost" in str(kept.exit.error)


async def test_a_keeper_that_cannot_be_started_is_told(yard: Yard, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(keeping, "_KEEPER", (str(yard.root / "none"),))
    before = sum(1 for _ in Path("/dev/fd").iterdir())
    kept = await yard.run(["echo"])
    assert kept.exit == Exit(error="No such file or directory")
    assert sum(1 for _ in Path("/dev/fd").iterdir()) == before


async def test_much_output_is_cut_in_the_middle(yard: Yard):
    kept = await yard.run(["sh", "-c", "echo first; yes | head -c 300000; echo last"])
    assert kept.stdout.text.startswith("first\n")
    assert kept.stdout.text.endswith("last\n")
    assert "bytes left out" in kept.stdout.text


def test_the_keeper_is_told_all_of_the_fence(yard: Yard):
    opened = look_at(["echo"], None, yard.look)
    opened.close()
    fence = Fence(
        is_on=True, workspace=yard.root, readable=("/srv",), network=True, max_memory_bytes=5
    )
    spec = spec_of(opened, fence, private="/p", max_cpu_s=7)
    assert spec["writable"] == (str(yard.root), "/p", "/dev/null")
    assert {"/srv", str(opened.command.path)} <= set(spec["readable"])
    assert (spec["network"], spec["max_memory_bytes"], spec["max_cpu_s"]) == (True, 5, 7)
    assert spec["env"]["HOME"] == "/p"
    assert not any(path in {"/", "/etc", "/proc", "/home", "/var"} for path in spec["readable"])


async def gone(*words: str) -> None:
    """What was killed takes a moment to go."""
    await until(lambda: not any(running(one) for one in words), deadline_s=20)


def running(words: str) -> list[str]:
    """Processes with these words in their command line."""
    found: list[str] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                text = (entry / "cmdline").read_text()
            except OSError:
                continue
            if text.startswith(words):
                found.append(text)
    return found
