"""`sessions.resolve`: from what a client knows of a session to its key.

Texts of refusals are those of the Node gateway; clients show them.
"""

from __future__ import annotations

from carapace.errors import Refused
from carapace.ids import SessionKey
from carapace.protocol.sessions import SessionsList, SessionsResolve
from carapace.sessions import records
from carapace.sessions.keys import GLOBAL_KEY, UNKNOWN_KEY
from carapace.sessions.listing import list_rows
from carapace.sessions.types import SessionPolicy
from carapace.store.ports import Tx

__all__ = ["resolve"]


def resolve(
    tx: Tx,
    query: SessionsResolve,
    policy: SessionPolicy,
    *,
    name: SessionKey | None,
    now_ms: int,
) -> SessionKey:
    """The key of the session that `query` names.

    Args:
        tx: To read in.
        query: As it came, but with the canonical key of a parent.
        policy: For the list that a label is looked up in.
        name: The canonical form of `query.key`.
        now_ms: Now.

    Raises:
        Refused: If not exactly one of key, id and label is given, or none such is there.
    """
    given = [text for text in (query.key, query.session_id, query.label) if _filled(text)]
    if len(given) > 1:
        raise Refused("Provide either key, sessionId, or label (not multiple)")
    if not given:
        raise Refused("Either key, sessionId, or label is required")
    if name is not None:
        if records.find(tx, name) is None:
            raise Refused(f"No session found: {_filled(query.key)}")
        return name
    if query.session_id is not None and _filled(query.session_id):
        return _by_id(tx, query)
    return _by_label(tx, query, policy, now_ms=now_ms)


def _by_id(tx: Tx, query: SessionsResolve) -> SessionKey:
    wanted = _filled(query.session_id)
    entry = records.find_by_id(tx, wanted) or records.find(tx, SessionKey(wanted))
    is_hidden = entry is not None and (
        (entry.key == GLOBAL_KEY and not query.include_global)
        or (entry.key == UNKNOWN_KEY and not query.include_unknown)
    )
    agent_id = _filled(query.agent_id).lower()
    if (
        entry is None
        or is_hidden
        or (agent_id and entry.agent_id != agent_id)
        or (query.spawned_by is not None and entry.spawned_by != query.spawned_by)
    ):
        raise Refused(f"No session found: {wanted}")
    return entry.key


def _by_label(
    tx: Tx,
    query: SessionsResolve,
    policy: SessionPolicy,
    *,
    now_ms: int,
) -> SessionKey:
    label = _filled(query.label)
    wanted = SessionsList(
        limit=1,
        label=label,
        agent_id=query.agent_id,
        spawned_by=query.spawned_by,
        include_global=query.include_global,
        include_unknown=query.include_unknown,
    )
    rows = list_rows(tx, wanted, policy, now_ms=now_ms)
    if not rows:
        raise Refused(f"No session found with label: {label}")
    return SessionKey(rows[0].key)


def _filled(text: str | None) -> str:
    return (text or "").strip()
