"""`Sessions`: what clients and other rooms ask about conversations.

Every method takes a key as a client wrote it. Rules are in `keys`, `patching`, `listing` and
`compaction`; SQL is in `records` and `transcripts`; here they meet in transactions.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from carapace.clock import Clock
from carapace.errors import Refused
from carapace.hooks.bus import HookBus
from carapace.ids import SessionKey, new_id
from carapace.protocol.sessions import (
    ChatHistoryPage,
    MessageUsage,
    SessionCompacted,
    SessionDeleted,
    SessionPatched,
    SessionPreview,
    SessionResetDone,
    SessionResolved,
    SessionsList,
    SessionsPage,
    SessionsPatch,
    SessionsPreview,
    SessionsPreviews,
    SessionsResolve,
)
from carapace.sessions import records, transcripts
from carapace.sessions.activation import GroupActivations
from carapace.sessions.compaction import Cut, cut_after
from carapace.sessions.keys import canonical, main_session
from carapace.sessions.life import SessionLife
from carapace.sessions.listing import recent
from carapace.sessions.pages import Pages, page_of
from carapace.sessions.patching import ResolveModel, changes_of, split_model
from carapace.sessions.resolving import resolve
from carapace.sessions.types import (
    ModelRef,
    SessionEntry,
    SessionPolicy,
    StoredMessage,
)
from carapace.sessions.views import not_compacted, preview_items, shown, state_of
from carapace.store.ports import Database, Row, Tx
from carapace.value import Value

__all__ = ["Compaction", "Sessions", "Summarise"]

Summarise = Callable[[Sequence[StoredMessage]], Awaitable[str]]
"""Turns the messages that will be archived into a text that stands for them."""

_HISTORY_LIMIT: Final = 200
_PREVIEW_KEYS: Final = 64
_PREVIEW_ITEMS: Final = 12
_MAX_PREVIEW_ITEMS: Final = 50
_PREVIEW_CHARS: Final = 240
_KEPT_LINES: Final = 400


class Compaction(Value, frozen=True):
    """What a compaction did: the summary that now stands for `archived` messages."""

    summary: StoredMessage
    archived: int
    kept: int


class Sessions:
    """The conversations of this gateway.

    Args:
        database: Where they are kept.
        clock: Dates changes.
        policy: What the configuration says now; asked at every call.
        resolve_model: Turns a model's name into a model, or refuses it. By default any
            `provider/model` is taken, as the Node gateway does without an allow-list.
        path: Shown to clients as the place where sessions are kept.
        hooks: Told when sessions begin and end.

    Attributes:
        life: For those who write messages without going through here.
        activations: For those who decide about messages in groups.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        policy: Callable[[], SessionPolicy],
        path: Path,
        resolve_model: ResolveModel | None = None,
        hooks: HookBus | None = None,
    ) -> None:
        self.life = SessionLife(hooks)
        self.activations = GroupActivations(database)
        self._database = database
        self._pages = Pages()
        self._clock = clock
        self._policy = policy
        self._resolve_model = resolve_model or self._split_model
        self.path = str(path)

    def _split_model(self, ref: str) -> ModelRef:
        return split_model(ref, self._policy())

    @property
    def policy(self) -> SessionPolicy:
        """What the configuration says now."""
        return self._policy()

    def key(self, text: str) -> SessionKey:
        """The canonical form of what a client wrote.

        Raises:
            Refused: If it is no session key.
        """
        policy = self._policy()
        return canonical(
            text,
            agent_id=policy.agent_id,
            main_key=policy.main_key,
            one_for_all=policy.one_for_all,
        )

    async def ensure(self, key: str) -> SessionEntry:
        """The session, made if there is none."""
        name, agent, now_ms = self.key(key), self._policy().agent_id, self._clock.now_ms()

        def ensure_session(tx: Tx) -> SessionEntry:
            return records.ensure(tx, name, now_ms=now_ms, default_agent=agent)

        return await self._database.write(ensure_session)

    async def get(self, key: str) -> SessionEntry | None:
        """The session, or None."""
        name = self.key(key)

        def get_session(tx: Tx) -> SessionEntry | None:
            return records.find(tx, name)

        return await self._database.read(get_session)

    async def by_id(self, session_id: str) -> SessionEntry | None:
        """The session whose present transcript has that id, or None."""

        def get_by_id(tx: Tx) -> SessionEntry | None:
            return records.find_by_id(tx, session_id)

        return await self._database.read(get_by_id)

    async def page(self, query: SessionsList) -> SessionsPage:
        """`sessions.list`: the sessions that fit, most recently changed first."""
        query, policy, now_ms = self._own(query), self._policy(), self._clock.now_ms()

        def list_sessions(tx: Tx) -> SessionsPage:
            return page_of(tx, query, policy, now_ms=now_ms)

        return await self._database.read(list_sessions)

    async def encoded_page(self, query: SessionsList) -> msgspec.Raw:
        """What `page` answers, as JSON: for clients, who ask for long lists again and again."""
        query, policy, now_ms = self._own(query), self._policy(), self._clock.now_ms()

        def encode_sessions(tx: Tx) -> msgspec.Raw:
            return self._pages.encoded(tx, query, policy, now_ms=now_ms)

        return await self._database.read(encode_sessions)

    def _own(self, query: SessionsList) -> SessionsList:
        """The query with the canonical form of the key it names."""
        if query.spawned_by is None:
            return query
        return msgspec.structs.replace(query, spawned_by=self.key(query.spawned_by))

    async def resolve(self, query: SessionsResolve) -> SessionResolved:
        """`sessions.resolve`: the one session that a key, a transcript's id or a label names.

        Raises:
            Refused: If it is not exactly one of these, or names no session.
        """
        policy, now_ms = self._policy(), self._clock.now_ms()
        name = self.key(query.key) if query.key and query.key.strip() else None
        if query.spawned_by is not None:
            query = msgspec.structs.replace(query, spawned_by=self.key(query.spawned_by))

        def resolve_session(tx: Tx) -> SessionKey:
            return resolve(tx, query, policy, name=name, now_ms=now_ms)

        return SessionResolved(ok=True, key=await self._database.read(resolve_session))

    async def recent(
        self, limit: int, *, agent_id: str | None = None
    ) -> tuple[int, list[SessionEntry]]:
        """How many sessions there are, and the newest `limit` of them."""

        def recent_sessions(tx: Tx) -> tuple[int, list[SessionEntry]]:
            return records.count(tx, agent_id), recent(tx, limit=limit, agent_id=agent_id)

        return await self._database.read(recent_sessions)

    async def patch(self, patch: SessionsPatch) -> SessionPatched:
        """`sessions.patch`: change settings; a session that was not there is made.

        Raises:
            Refused: If a value is not one the field takes, or the label is taken.
        """
        name, policy, now_ms = self.key(patch.key), self._policy(), self._clock.now_ms()
        if isinstance(patch.spawned_by, str) and patch.spawned_by.strip():
            patch = msgspec.structs.replace(patch, spawned_by=self.key(patch.spawned_by))

        def patch_session(tx: Tx) -> SessionEntry | None:
            entry = records.ensure(tx, name, now_ms=now_ms, default_agent=policy.agent_id)
            changes = changes_of(patch, entry, policy, self._resolve_model)
            label = changes.get("label")
            if label is not None and records.label_owner(tx, label) not in (None, name):
                raise Refused(f"label already in use: {label}")
            records.set_fields(tx, name, changes, now_ms=max(now_ms, entry.updated_at_ms))
            return records.find(tx, name)

        entry = await self._database.write(patch_session)
        if patch.group_activation is not msgspec.UNSET:
            self.activations.note(name, patch.group_activation)
        return SessionPatched(ok=True, path=self.path, key=name, entry=state_of(_there(entry)))

    async def reset(self, key: str) -> SessionResetDone:
        """`sessions.reset`: a new, empty transcript under the same settings."""
        name, agent, now_ms = self.key(key), self._policy().agent_id, self._clock.now_ms()

        def reset_session(tx: Tx) -> tuple[SessionEntry | None, SessionEntry]:
            before = records.find(tx, name)
            return before, records.renew(tx, name, now_ms=now_ms, default_agent=agent)

        before, entry = await self._database.write(reset_session)
        self.life.ended(before, "reset")
        return SessionResetDone(ok=True, key=name, entry=state_of(entry))

    def deletable(self, key: str) -> SessionKey:
        """The canonical form of a key that `delete` would take.

        Raises:
            Refused: For the main session of the default agent.
        """
        name, policy = self.key(key), self._policy()
        if name in (main_session(policy.agent_id, policy.main_key), "global"):
            raise Refused(f"Cannot delete the main session ({name}).")
        return name

    async def delete(self, key: str, *, delete_transcript: bool = True) -> SessionDeleted:
        """`sessions.delete`: take the session away; its transcript is ended and kept.

        Raises:
            Refused: For the main session of the default agent.
        """
        name, now_ms = self.deletable(key), self._clock.now_ms()

        def delete_session(tx: Tx) -> tuple[SessionEntry | None, bool]:
            found = records.remove(tx, name, now_ms=now_ms)
            return found, found is not None and transcripts.has_messages(tx, found.session_id)

        found, had_messages = await self._database.write(delete_session)
        self.activations.note(name, None)
        self.life.ended(found, "delete")
        archived: list[str] = []
        if found is not None and had_messages and delete_transcript:
            archived.append(self._archive_name(found.session_id, "deleted", now_ms))
        return SessionDeleted(ok=True, key=name, deleted=found is not None, archived=archived)

    async def truncate(self, key: str, max_lines: int | None = None) -> SessionCompacted:
        """`sessions.compact`: keep the newest messages, archive the rest.

        A tool's result whose call goes is archived with it, so fewer may stay.
        """
        name, now_ms = self.key(key), self._clock.now_ms()
        keep = _KEPT_LINES if max_lines is None else max_lines

        def truncate_session(tx: Tx) -> SessionCompacted:
            entry = records.find(tx, name)
            if entry is None:
                return not_compacted(name, reason="no sessionId")
            shape = transcripts.live_shape(tx, entry.session_id)
            if not shape:
                return not_compacted(name, reason="no transcript")
            cut = cut_after(shape, keep)
            if cut is None:
                return not_compacted(name, kept=len(shape))
            self._archive(tx, entry, cut, now_ms=now_ms)
            return SessionCompacted(
                ok=True,
                key=name,
                compacted=True,
                archived=self._archive_name(entry.session_id, "bak", now_ms),
                kept=cut.kept,
            )

        return await self._database.write(truncate_session)

    @staticmethod
    def _archive(tx: Tx, entry: SessionEntry, cut: Cut, *, now_ms: int, **changes: int) -> None:
        transcripts.archive_through(tx, entry.session_id, cut.through_seq, now_ms=now_ms)
        # The token counts described a context that is gone.
        gone = dict.fromkeys(("input_tokens", "output_tokens", "total_tokens"))
        records.set_fields(
            tx, entry.key, {**gone, **changes}, now_ms=max(now_ms, entry.updated_at_ms)
        )

    async def compact(self, key: str, summarise: Summarise, *, keep: int) -> Compaction | None:
        """Replace all but the newest `keep` messages by a summary; originals stay archived.

        `summarise` runs outside any transaction. If meanwhile somebody reset or compacted
        the session, nothing is changed. Messages that arrive meanwhile stay.

        Returns:
            None if there was nothing to archive or the session changed.
        """
        name = self.key(key)

        def read_old(tx: Tx) -> tuple[SessionEntry, Cut, list[StoredMessage]] | None:
            entry = records.find(tx, name)
            shape = [] if entry is None else transcripts.live_shape(tx, entry.session_id)
            cut = cut_after(shape, keep)
            if entry is None or cut is None:
                return None
            rows = transcripts.tail(tx, entry.session_id, limit=len(shape))
            old = [row for row in rows if row["seq"] <= cut.through_seq]
            return entry, cut, transcripts.messages_of(old)

        found = await self._database.read(read_old)
        if found is None:
            return None
        entry, cut, old = found
        text = await summarise(old)
        now_ms = self._clock.now_ms()
        summary = StoredMessage(new_id(), "system", ({"type": "text", "text": text},), now_ms)

        def replace_old(tx: Tx) -> Compaction | None:
            current = records.find(tx, name)
            if current is None or current.session_id != entry.session_id:
                return None
            shape = transcripts.live_shape(tx, current.session_id)
            going = sum(1 for seq, _ in shape if seq <= cut.through_seq)
            if going != cut.archived:
                return None
            done = current.compaction_count + 1
            self._archive(tx, current, cut, now_ms=now_ms, compaction_count=done)
            transcripts.insert_summary(tx, current.session_id, cut.through_seq, summary)
            return Compaction(summary, archived=going, kept=len(shape) - going)

        return await self._database.write(replace_old)

    async def history(self, key: str, limit: int = _HISTORY_LIMIT) -> list[StoredMessage]:
        """The newest live messages, oldest first, as the run's prompt wants them."""
        name = self.key(key)

        def read_history(tx: Tx) -> Sequence[Row]:
            entry = records.find(tx, name)
            return () if entry is None else transcripts.tail(tx, entry.session_id, limit=limit)

        return transcripts.messages_of(await self._database.read(read_history))

    async def history_page(self, key: str, limit: int | None = None) -> ChatHistoryPage:
        """`chat.history`: as clients see it, without the lines meant for the model.

        The key is answered as the caller wrote it; an unknown session is an empty list.
        """
        name, policy = self.key(key), self._policy()

        def read_page(tx: Tx) -> ChatHistoryPage:
            entry = records.find(tx, name)
            if entry is None:
                return ChatHistoryPage(
                    session_key=key, messages=[], thinking_level=policy.thinking_level
                )
            rows = transcripts.tail(tx, entry.session_id, limit=limit or _HISTORY_LIMIT)
            return ChatHistoryPage(
                session_key=key,
                session_id=entry.session_id,
                messages=[shown(row["role"], row["body"]) for row in rows],
                thinking_level=entry.thinking_level or policy.thinking_level,
            )

        return await self._database.read(read_page)

    async def previews(self, query: SessionsPreview) -> SessionsPreviews:
        """`sessions.preview`: the newest messages of several sessions, shortened."""
        items = min(query.limit or _PREVIEW_ITEMS, _MAX_PREVIEW_ITEMS)
        max_chars = query.max_chars or _PREVIEW_CHARS
        asked = [(text, self.key(text)) for text in query.keys[:_PREVIEW_KEYS]]

        def read_previews(tx: Tx) -> list[SessionPreview]:
            return [_preview(tx, text, name, items, max_chars) for text, name in asked]

        found = await self._database.read(read_previews)
        return SessionsPreviews(ts=self._clock.now_ms(), previews=found)

    async def inject(self, key: str, message: str, label: str | None = None) -> StoredMessage:
        """Append an assistant's message that no model wrote.

        Raises:
            Refused: If there is no such session.
        """
        name, now_ms = self.key(key), self._clock.now_ms()
        text = f"[{label.strip()}]\n\n{message}" if label and label.strip() else message
        stored = StoredMessage(
            message_id=secrets.token_hex(4),
            role="assistant",
            content=({"type": "text", "text": text},),
            timestamp_ms=now_ms,
            usage=MessageUsage(input=0, output=0, total_tokens=0),
            stop_reason="injected",
        )

        def inject_message(tx: Tx) -> None:
            entry = records.find(tx, name)
            if entry is None:
                raise Refused("session not found")
            records.append_message(tx, entry.session_id, stored)

        await self._database.write(inject_message)
        return stored

    def _archive_name(self, session_id: str, how: str, now_ms: int) -> str:
        """Where clients are told the old messages went: transcript, manner, time."""
        at = datetime.fromtimestamp(now_ms / 1000, UTC).isoformat(timespec="milliseconds")
        return f"{self.path}#{session_id}.{how}.{at.replace(':', '-').replace('+00-00', 'Z')}"


def _there(entry: SessionEntry | None) -> SessionEntry:
    if entry is None:
        raise LookupError("a session vanished inside its own transaction")
    return entry


def _preview(tx: Tx, text: str, name: SessionKey, items: int, max_chars: int) -> SessionPreview:
    entry = records.find(tx, name)
    if entry is None:
        return SessionPreview(key=text, status="missing", items=[])
    found = preview_items(transcripts.excerpts(tx, entry.session_id, limit=items), max_chars)
    return SessionPreview(key=text, status="ok" if found else "empty", items=found)
