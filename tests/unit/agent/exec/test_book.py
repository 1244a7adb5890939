"""The approvals document on disk: changed by whoever has seen it, kept across restarts."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from carapace.agent.exec.book import ApprovalsBook
from carapace.agent.exec.document import ExecRules
from carapace.errors import Failed, Refused
from carapace.protocol.approvals import ApprovalsDefaults, ApprovalsFile
from carapace.store.ports import Database
from carapace.telemetry.audit import Audit
from carapace.telemetry.redact import Redactor
from support.clock import FakeClock
from support.database import memory_database

STRICT = ApprovalsFile(defaults=ApprovalsDefaults(security="deny"))


@pytest.fixture
async def database() -> AsyncGenerator[Database]:
    async with memory_database() as made:
        yield made


def opened(database: Database, folder: Path) -> ApprovalsBook:
    audit = Audit(folder / "audit", clock=FakeClock(), redactor=Redactor())
    return ApprovalsBook(database, FakeClock(), audit=audit, path=folder / "carapace.db")


async def rules(book: ApprovalsBook) -> ExecRules:
    return await book.rules("main", security="full", ask="off")


async def test_a_change_names_what_it_changes_and_outlives_a_restart(
    database: Database, tmp_path: Path
):
    book = opened(database, tmp_path)
    before = await book.snapshot()
    after = await book.replace(STRICT, f" {before.hash} ", by="me")
    assert after.hash != before.hash
    again = opened(database, tmp_path)
    assert await again.snapshot() == after
    assert (await rules(again)).security == "deny"
    assert (tmp_path / "audit" / "audit.jsonl").read_text().count('"by":"me"') == 1


@pytest.mark.parametrize(
    ("base_hash", "words"),
    [(None, "base hash required"), (" ", "base hash required"), ("0" * 64, "changed since")],
)
async def test_nobody_overwrites_what_they_have_not_seen(
    database: Database, tmp_path: Path, base_hash: str | None, words: str
):
    book = opened(database, tmp_path)
    with pytest.raises(Refused, match=words):
        await book.replace(STRICT, base_hash, by="me")
    assert (await rules(book)).security == "full"


async def test_what_was_allowed_for_good_is_an_entry_that_can_be_taken_away(
    database: Database, tmp_path: Path
):
    book = opened(database, tmp_path)
    await book.grant("main", digest="ab", command="ls -l", path="/usr/bin/ls", by="Anna")
    assert (await rules(opened(database, tmp_path))).patterns == ("digest:ab",)
    seen = await book.snapshot()
    entry = seen.file.agents["main"].allowlist[0]
    assert (entry.last_used_command, entry.last_resolved_path) == ("ls -l", "/usr/bin/ls")
    await book.replace(ApprovalsFile(), seen.hash, by="me")
    assert (await rules(book)).patterns == ()


async def test_a_write_that_failed_changes_nothing(tmp_path: Path):
    async with memory_database() as database:
        book = opened(database, tmp_path)
        before = await book.snapshot()
    with pytest.raises(Failed):  # closed under it
        await book.replace(STRICT, before.hash, by="me")
    with pytest.raises(Failed):  # what is on disk is not known, so nothing is told
        await book.snapshot()
