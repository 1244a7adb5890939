"""Which nodes follow which sessions, until they leave: pure, by connection.

Chat and agent events of a session reach the nodes that follow it, and nobody else of theirs: the
Node gateway tells every node everything and its followers twice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from carapace.errors import Refused
from carapace.ids import ConnId, SessionKey
from carapace.protocol.agent import AgentEvent
from carapace.protocol.chat import ChatEvent
from carapace.protocol.events import Event

__all__ = ["MAX_SESSIONS", "Subscriptions"]

MAX_SESSIONS: Final = 64
_NOBODY: Final = frozenset[ConnId]()


class Subscriptions:
    """Who follows what.

    Args:
        to_key: A session's key as it is stored; followers and events may write it differently.
    """

    def __init__(self, to_key: Callable[[str], SessionKey]) -> None:
        self._to_key = to_key
        self._by_node: dict[ConnId, set[SessionKey]] = {}

    def follow(self, conn_id: ConnId, session_key: str) -> None:
        """From now on the node hears of that session.

        Raises:
            Refused: If that is no session key, or it follows too many.
        """
        key = self._to_key(session_key)
        followed = self._by_node.setdefault(conn_id, set())
        if key not in followed and len(followed) >= MAX_SESSIONS:
            raise Refused(
                f"this node follows {MAX_SESSIONS} sessions, which is the most: "
                "send chat.unsubscribe for one it does not show"
            )
        followed.add(key)

    def unfollow(self, conn_id: ConnId, session_key: str) -> None:
        """It hears of that session no more; nothing happens if it did not.

        Raises:
            Refused: If that is no session key.
        """
        followed = self._by_node.get(conn_id)
        if followed is None:
            return
        followed.discard(self._to_key(session_key))
        if not followed:
            del self._by_node[conn_id]

    def forget(self, conn_id: ConnId) -> None:
        """The node is gone."""
        self._by_node.pop(conn_id, None)

    def followers(self, event: Event) -> frozenset[ConnId]:
        """Nodes that hear `event` because of what they follow."""
        if not self._by_node:
            return _NOBODY
        if event.name == "health":
            return frozenset(self._by_node)
        if not isinstance(event.payload, AgentEvent | ChatEvent) or not event.payload.session_key:
            return _NOBODY
        key = self._to_key(event.payload.session_key)
        return frozenset(conn for conn, followed in self._by_node.items() if key in followed)
