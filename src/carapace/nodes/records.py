"""The room's rows and their SQL, as functions over one transaction."""

from __future__ import annotations

from typing import Final

import msgspec

from carapace.protocol.nodes import NodeFacts
from carapace.store.ports import Row, Tx
from carapace.value import Value

__all__ = [
    "NodeRequest",
    "PairedNode",
    "count_pairings",
    "count_requests",
    "delete_request",
    "delete_requests_before",
    "find_pairing",
    "find_request",
    "list_names",
    "list_pairings",
    "list_requests",
    "load_triggers",
    "name_of",
    "request_of",
    "save_name",
    "save_pairing",
    "save_request",
    "save_triggers",
]

_MAX_ROWS: Final = 1_000


class NodeRequest(Value, frozen=True):
    """A node of the older list that waits for a person."""

    request_id: str
    node_id: str
    facts: NodeFacts
    is_repair: bool
    created_at_ms: int


class PairedNode(Value, frozen=True):
    """A node of the older list that was approved."""

    node_id: str
    facts: NodeFacts
    token_digest: str
    created_at_ms: int
    approved_at_ms: int


def save_request(tx: Tx, request: NodeRequest) -> None:
    """Insert; an older request of the same node is replaced."""
    tx.execute("DELETE FROM node_requests WHERE node_id = ?", (request.node_id,))
    tx.execute(
        """INSERT INTO node_requests (request_id, node_id, facts, is_repair, created_at_ms)
           VALUES (?, ?, ?, ?, ?)""",
        (
            request.request_id,
            request.node_id,
            _to_json(request.facts),
            int(request.is_repair),
            request.created_at_ms,
        ),
    )


def find_request(tx: Tx, request_id: str) -> NodeRequest | None:
    """The waiting request, or None."""
    row = tx.one("SELECT * FROM node_requests WHERE request_id = ?", (request_id,))
    return None if row is None else _request(row)


def request_of(tx: Tx, node_id: str) -> NodeRequest | None:
    """The waiting request of a node, or None."""
    row = tx.one("SELECT * FROM node_requests WHERE node_id = ?", (node_id,))
    return None if row is None else _request(row)


def list_requests(tx: Tx) -> list[NodeRequest]:
    """All waiting requests, newest first."""
    rows = tx.all(
        "SELECT * FROM node_requests ORDER BY created_at_ms DESC, request_id LIMIT ?", (_MAX_ROWS,)
    )
    return [_request(row) for row in rows]


def count_requests(tx: Tx) -> int:
    """How many wait."""
    row = tx.one("SELECT count(*) AS n FROM node_requests")
    return 0 if row is None else int(row["n"])


def delete_request(tx: Tx, request_id: str) -> bool:
    """Whether it was there: of many that decide at once, one gets True."""
    return tx.execute("DELETE FROM node_requests WHERE request_id = ?", (request_id,)) == 1


def delete_requests_before(tx: Tx, created_before_ms: int) -> None:
    """Forget requests made before that time."""
    tx.execute("DELETE FROM node_requests WHERE created_at_ms < ?", (created_before_ms,))


def save_pairing(tx: Tx, node: PairedNode) -> None:
    """Insert or replace."""
    tx.execute(
        """INSERT INTO node_pairings (node_id, facts, token_digest, created_at_ms, approved_at_ms)
           VALUES (?, ?, ?, ?, ?)
           ON CONFLICT (node_id) DO UPDATE SET facts = excluded.facts,
             token_digest = excluded.token_digest, approved_at_ms = excluded.approved_at_ms""",
        (
            node.node_id,
            _to_json(node.facts),
            node.token_digest,
            node.created_at_ms,
            node.approved_at_ms,
        ),
    )


def find_pairing(tx: Tx, node_id: str) -> PairedNode | None:
    """The approved node, or None."""
    row = tx.one("SELECT * FROM node_pairings WHERE node_id = ?", (node_id,))
    return None if row is None else _paired(row)


def list_pairings(tx: Tx) -> list[PairedNode]:
    """All approved nodes, the latest approval first."""
    rows = tx.all(
        "SELECT * FROM node_pairings ORDER BY approved_at_ms DESC, node_id LIMIT ?", (_MAX_ROWS,)
    )
    return [_paired(row) for row in rows]


def count_pairings(tx: Tx) -> int:
    """How many are approved."""
    row = tx.one("SELECT count(*) AS n FROM node_pairings")
    return 0 if row is None else int(row["n"])


def save_name(tx: Tx, node_id: str, display_name: str) -> None:
    """People call the node that from now on."""
    tx.execute(
        """INSERT INTO node_names (node_id, display_name) VALUES (?, ?)
           ON CONFLICT (node_id) DO UPDATE SET display_name = excluded.display_name""",
        (node_id, display_name),
    )


def name_of(tx: Tx, node_id: str) -> str | None:
    """What people call the node, if somebody named it."""
    row = tx.one("SELECT display_name FROM node_names WHERE node_id = ?", (node_id,))
    return None if row is None else str(row["display_name"])


def list_names(tx: Tx) -> dict[str, str]:
    """What people call their nodes, by id."""
    rows = tx.all("SELECT node_id, display_name FROM node_names LIMIT ?", (2 * _MAX_ROWS,))
    return {row["node_id"]: row["display_name"] for row in rows}


def save_triggers(tx: Tx, triggers: tuple[str, ...], now_ms: int) -> None:
    """These words wake the apps from now on."""
    tx.execute(
        """INSERT INTO voicewake (id, triggers, updated_at_ms) VALUES (1, ?, ?)
           ON CONFLICT (id) DO UPDATE SET triggers = excluded.triggers,
             updated_at_ms = excluded.updated_at_ms""",
        (msgspec.json.encode(triggers).decode(), now_ms),
    )


def load_triggers(tx: Tx) -> tuple[str, ...] | None:
    """The words that were set; None if none ever were."""
    row = tx.one("SELECT triggers FROM voicewake WHERE id = 1")
    return None if row is None else msgspec.json.decode(row["triggers"], type=tuple[str, ...])


def _request(row: Row) -> NodeRequest:
    return NodeRequest(
        request_id=row["request_id"],
        node_id=row["node_id"],
        facts=_facts(row),
        is_repair=bool(row["is_repair"]),
        created_at_ms=row["created_at_ms"],
    )


def _paired(row: Row) -> PairedNode:
    return PairedNode(
        node_id=row["node_id"],
        facts=_facts(row),
        token_digest=row["token_digest"],
        created_at_ms=row["created_at_ms"],
        approved_at_ms=row["approved_at_ms"],
    )


def _facts(row: Row) -> NodeFacts:
    return msgspec.json.decode(row["facts"], type=NodeFacts)


def _to_json(facts: NodeFacts) -> str:
    return msgspec.json.encode(facts).decode()
