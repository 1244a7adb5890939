"""The audit trail is a chain that survives restarts, rotation and torn lines."""

from __future__ import annotations

import ast
import asyncio
import json
import os
from pathlib import Path

import pytest

import carapace
from carapace.telemetry.audit import MEANINGS, Audit, AuditKind, audit_files, verify
from carapace.telemetry.redact import Redactor
from support.clock import FakeClock

KIND = AuditKind.AUDIT_GAP


def trail(folder: Path, **bounds: int) -> Audit:
    return Audit(folder, clock=FakeClock(), redactor=Redactor(), **bounds)


def lines(folder: Path) -> list[dict]:
    return [
        json.loads(line) for path in audit_files(folder) for line in path.read_bytes().splitlines()
    ]


def test_lines_are_numbered_chained_and_private(tmp_path: Path):
    audit = trail(tmp_path / "audit")
    audit.record(KIND, lost=1)
    audit.record(KIND, lost=2, ok=True, who=None)
    first, second = lines(tmp_path / "audit")
    assert (first["seq"], first["prev"]) == (1, "0" * 64)
    assert (second["seq"], second["lost"], second["ok"], second["who"]) == (2, 2, True, None)
    assert first["time"] == "2026-01-01T00:00:00.000+00:00"
    assert (tmp_path / "audit" / "audit.jsonl").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "audit").stat().st_mode & 0o777 == 0o700
    assert verify(tmp_path / "audit").problem is None
    audit.close()


def test_fields_are_redacted(tmp_path: Path):
    trail(tmp_path).record(KIND, token="swordfish", note="Bearer swordfish")
    assert "swordfish" not in (tmp_path / "audit.jsonl").read_text()


def test_the_chain_goes_on_after_a_restart(tmp_path: Path):
    for number in range(3):
        audit = trail(tmp_path)
        audit.record(KIND, lost=number)
        audit.close()
    assert [line["seq"] for line in lines(tmp_path)] == [1, 2, 3]
    assert verify(tmp_path).lines == 3
    assert verify(tmp_path).problem is None


def test_a_closed_trail_opens_again(tmp_path: Path):
    audit = trail(tmp_path)
    audit.record(KIND)
    audit.close()
    audit.close()
    audit.record(KIND)
    assert verify(tmp_path).lines == 2


def test_a_torn_last_line_is_removed_and_noted(tmp_path: Path):
    audit = trail(tmp_path)
    audit.record(KIND)
    audit.record(KIND)
    audit.close()
    path = tmp_path / "audit.jsonl"
    path.write_bytes(path.read_bytes()[:-20])
    assert verify(tmp_path).problem is None
    trail(tmp_path).record(KIND)
    got = lines(tmp_path)
    assert [line["kind"] for line in got] == ["audit.gap", "audit.repaired", "audit.gap"]
    assert got[1]["removed_bytes"] > 0
    assert verify(tmp_path).problem is None


def test_rotation_keeps_the_chain_and_drops_the_oldest(tmp_path: Path):
    audit = trail(tmp_path, max_bytes=400, max_files=2)
    for number in range(20):
        audit.record(KIND, lost=number)
    files = audit_files(tmp_path)
    assert len(files) == 3
    assert any(line.get("removed") for line in lines(tmp_path) if line["kind"] == "audit.rotated")
    verdict = verify(tmp_path)
    assert verdict.problem is None
    assert verdict.lines == len(lines(tmp_path)) > 3


def test_the_chain_is_taken_up_from_a_set_aside_file(tmp_path: Path):
    audit = trail(tmp_path)
    audit.record(KIND)
    audit.close()
    (tmp_path / "audit.jsonl").rename(tmp_path / "audit-000000000001.jsonl")
    trail(tmp_path).record(KIND)
    assert [line["seq"] for line in lines(tmp_path)] == [1, 2]
    assert verify(tmp_path).problem is None


@pytest.mark.parametrize(
    ("tamper", "problem"),
    [
        (lambda rows: [rows[0], rows[1].replace(b"21", b"99"), *rows[2:]], ":3: does not follow"),
        (lambda rows: [rows[0], *rows[2:]], ":2: does not follow"),
        (lambda rows: [*rows, b"{}"], ":5: not a line"),
        (lambda rows: [*rows, b"rubbish"], ":5: not a line"),
        (lambda rows: [rows[0].replace(b"0000", b"1111"), *rows[1:]], ":1: the first line names"),
    ],
)
def test_tampering_is_found(tmp_path: Path, tamper, problem: str):
    audit = trail(tmp_path)
    for number in (20, 21, 22, 23):
        audit.record(KIND, lost=number)
    audit.close()
    path = tmp_path / "audit.jsonl"
    path.write_bytes(b"\n".join(tamper(path.read_bytes().splitlines())) + b"\n")
    assert problem in (verify(tmp_path).problem or "")


def test_a_renumbered_line_is_found(tmp_path: Path):
    audit = trail(tmp_path)
    audit.record(KIND)
    audit.record(KIND)
    audit.close()
    path = tmp_path / "audit.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"seq":2', b'"seq":7'))
    assert "number 7 after 1" in (verify(tmp_path).problem or "")


def test_an_empty_folder_holds_an_empty_chain(tmp_path: Path):
    assert verify(tmp_path).lines == 0
    assert verify(tmp_path).problem is None


def test_a_disk_that_takes_nothing_is_survived_and_counted(tmp_path: Path):
    blocked = tmp_path / "audit"
    blocked.write_text("a file where the folder should be")
    audit = trail(blocked)
    assert audit.check() is None
    audit.record(KIND)
    audit.record(KIND)
    assert "2 audit lines" in (audit.check() or "")
    blocked.unlink()
    audit.record(KIND, lost=9)
    assert audit.check() is None
    assert [line["lost"] for line in lines(blocked)] == [2, 9]
    assert verify(blocked).problem is None


@pytest.mark.parametrize("fault", ["short", "error"])
def test_a_half_taken_line_leaves_no_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
):
    audit = trail(tmp_path)
    audit.record(KIND)
    real = os.write

    def write(fd: int, data: bytes) -> int:
        count = real(fd, data[:10])
        if fault == "error":
            raise OSError(28, "No space left on device")
        return count

    monkeypatch.setattr(os, "write", write)
    audit.record(KIND)
    monkeypatch.undo()
    audit.record(KIND)
    assert [line["seq"] for line in lines(tmp_path)] == [1, 2, 3]
    assert verify(tmp_path).problem is None


def test_a_sync_that_fails_is_said_and_survived(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
):
    audit = trail(tmp_path)
    audit.record(KIND)

    def fail(_fd: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    audit.sync()
    assert verify(tmp_path).lines == 1


async def test_the_trail_is_synced_every_second_while_there_is_news(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    clock = FakeClock()
    audit = Audit(tmp_path, clock=clock, redactor=Redactor())
    synced = asyncio.Event()
    loop = asyncio.get_running_loop()
    count = 0

    def fsync(_fd: int) -> None:
        nonlocal count
        count += 1
        loop.call_soon_threadsafe(synced.set)

    monkeypatch.setattr(os, "fsync", fsync)
    task = asyncio.create_task(audit.keep_synced())
    await clock.advance(3)
    assert count == 0
    audit.record(KIND)
    await clock.advance(1)
    await asyncio.wait_for(synced.wait(), 5)
    assert count == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_every_kind_is_explained():
    assert set(MEANINGS) == set(AuditKind)
    assert all(text.endswith(".") for text in MEANINGS.values())


def test_every_kind_is_emitted_somewhere():
    emitted: set[str] = set()
    for path in Path(carapace.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                emitted |= {
                    found.attr
                    for argument in (*node.args, *(word.value for word in node.keywords))
                    for found in ast.walk(argument)
                    if isinstance(found, ast.Attribute)
                    and isinstance(found.value, ast.Name)
                    and found.value.id == "AuditKind"
                }
    assert {kind.name for kind in AuditKind} <= emitted
