"""A server's program is fenced in, sees nothing of ours, and is gone with its connection."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from carapace.agent.mcp.program import Place, running
from carapace.config.settings.mcp import McpServer
from carapace.confine import can_fence
from carapace.errors import Failed
from support.polling import until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not can_fence(), reason="needs Landlock and seccomp"),
]


def shell(script: str, **more: Any) -> McpServer:
    return McpServer(command="sh", args=("-c", script), **more)


def place(tmp_path: Path, **more: Any) -> Place:
    return Place(tmp_path / "own", {"SECRET": "ours", "LANG": "C.UTF-8"}, **more)


async def output(settings: McpServer, where: Place, count: int = 1) -> list[str]:
    """The first lines that a program writes."""
    told: list[str] = []
    async with running(settings, where, told.append) as program:
        found = [await program.lines.next() for _ in range(count)]
    return [(one or b"<end>").decode() for one in found]


async def test_it_has_a_folder_and_variables_of_its_own_and_none_of_ours(tmp_path: Path):
    where = place(tmp_path)
    script = 'echo "$SECRET|$KEY|$HOME|$TMPDIR|$PWD"; touch made; ls'
    said = await output(shell(script, env={"KEY": "theirs"}), where, 2)
    assert said == [f"|theirs|{where.folder}|{where.folder}|{where.folder}", "made"]


async def test_it_reads_and_writes_what_the_settings_say_and_no_more(tmp_path: Path):
    for name in ("secret", "data", "kept"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(f"{name}\n")
    script = "for f in secret data kept; do cat ../$f/file || echo no; echo new > ../$f/file; done"
    settings = shell(
        script,
        read_paths=(str(tmp_path / "data"),),
        write_paths=(str(tmp_path / "kept"),),
    )
    assert await output(settings, place(tmp_path), 4) == ["no", "data", "kept", "<end>"]
    texts = [(tmp_path / name / "file").read_text() for name in ("secret", "data", "kept")]
    assert texts == ["secret\n", "data\n", "new\n"]


async def test_it_runs_where_the_settings_say(tmp_path: Path):
    (tmp_path / "work").mkdir()
    settings = shell("pwd", cwd=str(tmp_path / "work"))
    assert await output(settings, place(tmp_path)) == [str(tmp_path / "work")]


async def test_what_is_sent_to_it_arrives(tmp_path: Path):
    async with running(shell("cat"), place(tmp_path), print) as program:
        program.stdin.write(b"ping\n")
        assert await program.lines.next() == b"ping"


async def test_it_ends_with_all_it_started(tmp_path: Path):
    # It hears no end of its input, and neither does its child.
    script = "trap '' TERM; sleep 1000 </dev/null & echo $! $$; while true; do sleep 1000; done"
    async with running(shell(script), place(tmp_path), print) as program:
        said = await program.lines.next() or b""
        numbers = [int(one) for one in said.split()]
    await until(lambda: not any(Path(f"/proc/{one}").exists() for one in numbers))


@pytest.mark.parametrize(
    ("script", "word"),
    [("exit 7", "code 7"), ("kill -9 $$", "signal 9")],
)
async def test_how_it_ended_is_said(tmp_path: Path, script: str, word: str):
    async with running(shell(script), place(tmp_path), print) as program:
        assert await program.lines.next() is None
        assert word in await program.end_text()


async def test_with_its_keeper_it_is_lost(tmp_path: Path):
    async with running(shell("echo $$; sleep 1000"), place(tmp_path), print) as program:
        number = int(await program.lines.next() or b"0")
        os.kill(program.process.pid, signal.SIGKILL)
        assert await program.lines.next() is None
        assert await program.end_text() == "it was lost"
    await until(lambda: not Path(f"/proc/{number}").exists())


async def test_a_program_that_is_no_program_says_so(tmp_path: Path):
    bad = tmp_path / "bad"
    bad.write_text("\x7fnothing")
    bad.chmod(0o700)
    settings = McpServer(command=str(bad), read_paths=(str(bad),))
    async with running(settings, place(tmp_path), print) as program:
        assert await program.lines.next() is None
        assert "did not start" in await program.end_text()


async def test_its_error_output_is_told_within_bounds(tmp_path: Path):
    told: list[str] = []
    script = "i=0; while [ $i -lt 200 ]; do echo line $i >&2; i=$((i+1)); done; echo done"
    script = "head -c 100000 /dev/zero | tr '\\0' x >&2; echo >&2; " + script
    async with running(shell(script), place(tmp_path), told.append) as program:
        assert await program.lines.next() == b"done"
        await until(lambda: len(told) == 50)
    assert len(told) == 50
    assert told[1] == "line 0"
    assert max(len(one) for one in told) == 500


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        (McpServer(command="no-such-program"), "no program"),
        (McpServer(command="sh", cwd="/no/such/folder"), "/no/such/folder"),
    ],
)
async def test_what_cannot_be_started_says_why(tmp_path: Path, settings: McpServer, word: str):
    with pytest.raises(Failed, match=word):
        await output(settings, place(tmp_path))


async def test_without_a_fence_nothing_runs_unless_the_operator_says_so(tmp_path: Path):
    bare = place(tmp_path, is_fence_there=lambda: False)
    with pytest.raises(Failed, match='"sandbox" to "off"'):
        await output(shell("echo hi"), bare)
    assert await output(shell("echo hi", sandbox="off"), bare) == ["hi"]


async def test_no_descriptor_stays_open(tmp_path: Path):
    await output(shell("echo hi"), place(tmp_path))
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - counts, as it is
    for _ in range(3):
        await output(shell("echo hi"), place(tmp_path))
    await until(lambda: len(os.listdir("/proc/self/fd")) <= before)  # noqa: PTH208 - likewise
