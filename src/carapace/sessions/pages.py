"""Answers of `sessions.list`, encoded, and kept for as long as they are true.

The database numbers every state of every session (`revision`) and knows the last number given.
While that stays the same, an answer that was given is given again. When it changed, one narrow
query tells which states the answer is made of, and only those not seen before are read and
encoded. So nothing has to be told of changes, and nothing can be forgotten (ADR 0555).
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Final, Generic, TypeVar

import msgspec

from carapace.protocol.sessions import SessionsList, SessionsPage
from carapace.sessions.listing import columns_of, list_rows, row_of, selection
from carapace.sessions.types import SessionPolicy
from carapace.sessions.views import defaults_of
from carapace.store.ports import Tx
from carapace.value import Value

__all__ = ["Pages", "page_of"]

_MAX_ROW_BYTES: Final = 6 * 1024 * 1024
_MAX_ANSWER_BYTES: Final = 4 * 1024 * 1024
_ENTRY_BYTES: Final = 256  # what keeping anything at all takes, about
_PATH: Final = "(multiple)"
_ENCODE: Final = msgspec.json.Encoder().encode

K = TypeVar("K")
V = TypeVar("V")


class _Shape(Value, frozen=True):
    """What the bytes of a row depend on, beside the state of its session."""

    with_title: bool
    with_last_words: bool
    provider: str | None
    model: str | None
    context_tokens: int | None


class _Row(Value, frozen=True):
    """A session as it was in the state of that number; the next state takes its place."""

    revision: int
    encoded: bytes


class _Answer(Value, frozen=True):
    """Rows, joined by commas, as they were when `revision` was the last number given."""

    revision: int
    count: int
    rows: bytes


class _Shelf(Generic[K, V]):
    """Keeps so many bytes; what came first goes first."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        # A plain dict finds its first key the slower the more went before it.
        self._kept: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self.bytes = 0

    def get(self, key: K) -> V | None:
        found = self._kept.get(key)
        return None if found is None else found[0]

    def put(self, key: K, value: V, size: int) -> None:
        self._drop(key)
        self._kept[key] = (value, size + _ENTRY_BYTES)
        self.bytes += size + _ENTRY_BYTES
        while self.bytes > self._max_bytes:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: K) -> None:
        _, size = self._kept.pop(key, (None, 0))
        self.bytes -= size


class Pages:
    """What was answered lately. Used by several database threads.

    Args:
        max_row_bytes: How much of single rows to keep.
        max_answer_bytes: How much of whole answers to keep.
    """

    def __init__(
        self, max_row_bytes: int = _MAX_ROW_BYTES, max_answer_bytes: int = _MAX_ANSWER_BYTES
    ) -> None:
        self._rows: _Shelf[tuple[int, _Shape], _Row] = _Shelf(max_row_bytes)
        self._answers: _Shelf[tuple[SessionsList, _Shape], _Answer] = _Shelf(max_answer_bytes)
        # Held while an answer is made: of many that ask for the same list, one makes it.
        self._lock = threading.Lock()

    @property
    def bytes(self) -> int:
        """About how much memory this takes."""
        return self._rows.bytes + self._answers.bytes

    def encoded(
        self, tx: Tx, query: SessionsList, policy: SessionPolicy, *, now_ms: int
    ) -> msgspec.Raw:
        """A `SessionsPage`, encoded."""
        with self._lock:
            answer = self._answer(tx, query, policy, now_ms)
        head = SessionsPage(
            ts=now_ms, path=_PATH, count=answer.count, defaults=defaults_of(policy), sessions=[]
        )
        return msgspec.Raw(b"%b%b]}" % (_ENCODE(head)[: -len("]}")], answer.rows))

    def _answer(self, tx: Tx, query: SessionsList, policy: SessionPolicy, now_ms: int) -> _Answer:
        shape, revision = _shape_of(query, policy), _last_revision(tx)
        kept = self._answers.get((query, shape))
        if kept is not None and kept.revision == revision:
            return kept
        rows = self._encoded_rows(tx, query, policy, now_ms)
        made = _Answer(revision, len(rows), b",".join(rows))
        if query.active_minutes is None:  # else it also depends on when it is asked
            self._answers.put((query, shape), made, len(made.rows))
        return made

    def _encoded_rows(
        self, tx: Tx, query: SessionsList, policy: SessionPolicy, now_ms: int
    ) -> list[bytes]:
        shape = _shape_of(query, policy)
        tail, values = selection(query, now_ms)
        sql = f"SELECT rowid, revision FROM sessions {tail}"  # noqa: S608 - values are bound
        found = {
            rowid: self._known(rowid, revision, shape) for rowid, revision in tx.all(sql, values)
        }
        unseen = [rowid for rowid, encoded in found.items() if encoded is None]
        sql = (
            f"SELECT {columns_of(query)} FROM sessions"  # noqa: S608 - our own column names
            " WHERE rowid IN (SELECT value FROM json_each(?))"
        )
        for row in tx.all(sql, (_ENCODE(unseen).decode(),)) if unseen else ():
            encoded, rowid = _ENCODE(row_of(row, query, policy)), row["row"]
            self._rows.put((rowid, shape), _Row(row["revision"], encoded), len(encoded))
            found[rowid] = encoded
        return [row for row in found.values() if row is not None]

    def _known(self, rowid: int, revision: int, shape: _Shape) -> bytes | None:
        kept = self._rows.get((rowid, shape))
        return kept.encoded if kept is not None and kept.revision == revision else None


def page_of(tx: Tx, query: SessionsList, policy: SessionPolicy, *, now_ms: int) -> SessionsPage:
    """The same for use inside of the house, made afresh."""
    rows = list_rows(tx, query, policy, now_ms=now_ms)
    return SessionsPage(
        ts=now_ms, path=_PATH, count=len(rows), defaults=defaults_of(policy), sessions=rows
    )


def _shape_of(query: SessionsList, policy: SessionPolicy) -> _Shape:
    model = policy.model
    return _Shape(
        query.include_derived_titles,
        query.include_last_message,
        model.provider if model else None,
        model.model if model else None,
        policy.context_tokens,
    )


def _last_revision(tx: Tx) -> int:
    row = tx.one("SELECT last FROM session_revision")
    return 0 if row is None else int(row["last"])
