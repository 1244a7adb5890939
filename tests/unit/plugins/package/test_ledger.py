"""Lock and log vouch for each other; a crash between the two is mended, nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest

from carapace.errors import Failed
from carapace.plugins.package.files import PluginFiles
from carapace.plugins.package.ledger import Ledger
from carapace.plugins.package.lock import KeptVersion, Lock, LockedPlugin, write_lock
from carapace.plugins.package.transparency import Change, Event
from carapace.plugins.state import PluginRefused, Refusal

KEPT = KeptVersion(
    version="1.0.0", digest="ab" * 32, files={}, publisher=None, source="t", kept_at_ms=1
)
PLUGIN = LockedPlugin(id="hello", versions=(KEPT,), active=KEPT.digest, highest="1.0.0")
CHANGE = Change("test", 7)


@pytest.fixture
def files(tmp_path: Path):
    opened = PluginFiles(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def ledger(files: PluginFiles) -> Ledger:
    return Ledger(files, b"k" * 32)


def commit(ledger: Ledger, event: Event, floor: str | None = None) -> None:
    ledger.commit(ledger.read()[0], PLUGIN, KEPT, event, CHANGE, floor=floor)


def refused(ledger: Ledger) -> Refusal:
    with pytest.raises(PluginRefused) as caught:
        ledger.read()
    assert "No plugin runs" in " ".join(caught.value.message.split())
    return caught.value.refusal


def test_at_first_there_is_nothing(ledger: Ledger):
    assert ledger.read() == (Lock(), [])


def test_what_was_done_is_in_both(ledger: Ledger):
    commit(ledger, Event.STAGED)
    commit(ledger, Event.INSTALLED, "0.9.0")
    lock, lines = ledger.read()
    assert lock.plugins == {"hello": PLUGIN}
    assert [(one.event, one.floor, one.by, one.at_ms) for one in lines] == [
        (Event.STAGED, None, "test", 7),
        (Event.INSTALLED, "0.9.0", "test", 7),
    ]


@pytest.mark.parametrize("torn", [b"", b'{"seq":2'])
def test_a_line_that_a_crash_kept_out_is_put_in(ledger: Ledger, tmp_path: Path, torn: bytes):
    commit(ledger, Event.STAGED)
    before = (tmp_path / "log.jsonl").read_bytes()
    commit(ledger, Event.INSTALLED)
    whole = (tmp_path / "log.jsonl").read_bytes()
    (tmp_path / "log.jsonl").write_bytes(before + torn)
    assert len(ledger.read()[1]) == 2
    assert (tmp_path / "log.jsonl").read_bytes() == whole


def test_the_very_first_line_as_well(ledger: Ledger, tmp_path: Path):
    commit(ledger, Event.STAGED)
    (tmp_path / "log.jsonl").unlink()
    assert len(ledger.read()[1]) == 1


def test_an_older_lock_file_is_noticed(ledger: Ledger, tmp_path: Path):
    commit(ledger, Event.STAGED)
    older = (tmp_path / "lock.json").read_bytes()
    commit(ledger, Event.DISABLED)
    (tmp_path / "lock.json").write_bytes(older)
    assert refused(ledger) is Refusal.LOG


def test_a_log_that_lost_lines_is_noticed(ledger: Ledger, tmp_path: Path):
    for event in (Event.STAGED, Event.INSTALLED, Event.DISABLED):
        commit(ledger, event)
    lines = (tmp_path / "log.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "log.jsonl").write_bytes(lines[0])
    assert refused(ledger) is Refusal.LOG
    (tmp_path / "log.jsonl").write_bytes(lines[0] + lines[2])
    assert refused(ledger) is Refusal.LOG


def test_a_log_with_more_lines_than_the_lock_knows_is_noticed(ledger: Ledger, tmp_path: Path):
    empty = Lock()
    commit(ledger, Event.STAGED)
    (tmp_path / "lock.json").write_bytes(write_lock(empty, b"k" * 32))
    assert refused(ledger) is Refusal.LOG


def test_a_changed_lock_file_is_noticed(ledger: Ledger, tmp_path: Path):
    commit(ledger, Event.STAGED)
    data = (tmp_path / "lock.json").read_bytes()
    (tmp_path / "lock.json").write_bytes(data.replace(b'"enabled":true', b'"enabled":none'))
    assert refused(ledger) is Refusal.LOCK


def test_without_the_lock_file_nothing_is_installed_and_floors_hold(ledger: Ledger, tmp_path: Path):
    commit(ledger, Event.INSTALLED, "0.9.0")
    (tmp_path / "lock.json").unlink()
    own = ledger.read()[0].plugins["hello"]
    assert (own.versions, own.highest, own.floor) == ((), "1.0.0", "0.9.0")
    commit(ledger, Event.INSTALLED)
    assert len(ledger.read()[1]) == 2


def test_a_disk_that_fails_is_told(ledger: Ledger, tmp_path: Path):
    (tmp_path / "log.jsonl").mkdir()
    with pytest.raises(Failed, match="plugins folder cannot be used"):
        ledger.read()
    with pytest.raises(Failed, match="plugins folder cannot be used"):
        ledger.commit(Lock(), PLUGIN, KEPT, Event.STAGED, CHANGE)


def test_what_nobody_needs_any_more_is_deleted(ledger: Ledger, files: PluginFiles):
    files.keep("cd" * 32, {"plugin.wasm": b"x"})
    commit(ledger, Event.STAGED)
    assert files.names("cd" * 32) == frozenset()
