"""A kept list of sessions equals one made afresh, whatever happened in between."""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import closing
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from carapace.ids import RunId, SessionKey
from carapace.protocol.sessions import SessionOrigin, SessionsList
from carapace.sessions import records, transcripts
from carapace.sessions.pages import Pages, page_of
from carapace.sessions.silence import silence
from carapace.sessions.types import ModelRef, Route, SessionPolicy, StoredMessage, Touch
from carapace.store.connect import connect
from carapace.store.migrate import load_migrations, migrate
from carapace.store.tx import SqliteTx

KEYS = tuple(
    SessionKey(key)
    for key in ("agent:main:main", "agent:main:x:group:1", "agent:work:a", "global", "unknown")
)
POLICIES = (
    SessionPolicy(),
    SessionPolicy(model=ModelRef("fake", "fake-1"), context_tokens=128_000),
)
ACTS = ("rename", "route", "touch", "say", "hear", "hush", "compact", "reset", "delete")

flags = st.booleans()
queries = st.builds(
    SessionsList,
    limit=st.none() | st.integers(1, 6),
    active_minutes=st.none() | st.integers(1, 3),
    include_global=flags,
    include_unknown=flags,
    include_derived_titles=flags,
    include_last_message=flags,
    agent_id=st.sampled_from((None, "main", "work")),
    search=st.sampled_from((None, "a", "name")),
)
acts = st.tuples(st.sampled_from(ACTS), st.sampled_from(KEYS), st.text("ab ", max_size=3), flags)
asks = st.tuples(queries, st.sampled_from(POLICIES))
stories = st.lists(st.tuples(st.lists(acts, max_size=4), asks), max_size=8)


def _act(tx: SqliteTx, what: str, key: SessionKey, text: str, now_ms: int) -> None:
    entry = records.ensure(tx, key, now_ms=now_ms)
    if what == "rename":
        records.set_fields(tx, key, {"subject": f"name {text}"}, now_ms=now_ms)
    elif what == "route":
        records.set_route(tx, key, Route(origin=SessionOrigin(label=text), last_channel="x"))
    elif what == "touch":
        records.touch(tx, key, Touch(total_tokens=len(text)), now_ms=now_ms)
    elif what in ("say", "hear"):
        role: Any = "user" if what == "hear" else "assistant"
        part = ({"type": "text", "text": text},)
        message = StoredMessage(f"r/{now_ms}", role, part, now_ms)
        records.append_message(tx, entry.session_id, message)
    elif what == "hush":
        silence(tx, key, entry.session_id, RunId("r"), updated_at_ms=None, now_ms=now_ms)
    elif what == "compact":
        transcripts.archive_through(tx, entry.session_id, 2, now_ms=now_ms)
        records.set_fields(tx, key, {"total_tokens": None}, now_ms=now_ms)
    elif what == "reset":
        records.renew(tx, key, now_ms=now_ms)
    elif what == "delete":
        records.remove(tx, key, now_ms=now_ms)


@settings(max_examples=60, deadline=None)
@given(story=stories, max_bytes=st.sampled_from((0, 1_000, 100_000)))
def test_a_kept_list_equals_one_made_afresh(story: list[Any], max_bytes: int):
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.row_factory = sqlite3.Row
        connection.executescript(_schema())
        _tell(connection, story, Pages(max_bytes, max_bytes))


@lru_cache(maxsize=1)
def _schema() -> str:
    """That of a migrated database, as far as sessions are concerned."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "carapace.db"
        with closing(connect(path)) as connection:
            migrate(connection, path, load_migrations(), now_ms=1)
            found = connection.execute(
                "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND tbl_name IN"
                " ('sessions', 'transcripts', 'messages', 'session_revision')"
                " ORDER BY type = 'table' DESC"
            )
            made = ";\n".join(row["sql"] for row in found)
    return f"{made};\nINSERT INTO session_revision VALUES (0);"


def _tell(connection: sqlite3.Connection, story: list[Any], kept: Pages) -> None:
    tx, now_ms = SqliteTx(connection), 1_000_000
    for happened, (query, policy) in story:
        for what, key, text, stays in happened:
            now_ms += 20_000
            connection.execute("BEGIN")
            _act(tx, what, key, text, now_ms)
            connection.execute("COMMIT" if stays else "ROLLBACK")
        for _ in range(2):
            raw = kept.encoded(tx, query, policy, now_ms=now_ms)
            fresh = page_of(tx, query, policy, now_ms=now_ms)
            assert bytes(raw) == msgspec.json.encode(fresh)
        assert kept.bytes <= 200_000
