"""Calls to nodes that are under way: each gets exactly one answer.

From the node; or, after its deadline, that it took too long; or, once the node's connection has
ended, that it is gone. How many may wait is bounded for each node and for all of them.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from carapace.clock import Clock
from carapace.errors import Failed
from carapace.ids import ConnId, new_id
from carapace.nodes.replies import Replies, Reply
from carapace.nodes.types import TIMED_OUT, LiveNode, NodeCall, NodeFailure, Outcome
from carapace.protocol.events import Event, Publish
from carapace.protocol.nodes import NodeInvokeRequest
from carapace.telemetry.metrics import Metrics

__all__ = ["MAX_PER_NODE", "MAX_WAITING", "Invokes"]

MAX_PER_NODE: Final = 32
MAX_WAITING: Final = 1_024
_RETRY_AFTER_MS: Final = 1_000


@dataclass(slots=True)
class _Waiting:
    """One call that has no answer yet."""

    invoke_id: str
    conn_id: ConnId
    reply: Reply


class Invokes:
    """The calls under way.

    Args:
        publish: Tells a node what it is asked.
        clock: Says how old a kept answer is.
        metrics: Counts calls by how they ended.
        new_invoke_id: Makes the id by which the node answers.
    """

    def __init__(
        self,
        publish: Publish,
        *,
        clock: Clock,
        metrics: Metrics,
        new_invoke_id: Callable[[], str] = new_id,
    ) -> None:
        self._publish = publish
        self._clock = clock
        self._metrics = metrics
        self._new_invoke_id = new_invoke_id
        self._waiting: dict[str, _Waiting] = {}
        self._per_node: Counter[ConnId] = Counter()
        self._replies = Replies()

    def __len__(self) -> int:
        return len(self._waiting)

    async def run(
        self, node: LiveNode, call: NodeCall, prepare: Callable[[], str | None] | None = None
    ) -> Outcome:
        """Ask `node` and wait for the answer; the same key again waits for the same answer.

        Args:
            node: Whom.
            call: What, as the caller says it.
            prepare: Makes the params that the node gets, once and only if it is really asked;
                without it they are the caller's.

        Raises:
            Refused: If the key was used for something else.
            Failed: If too many calls wait already; later it may work.
        """
        known = self._replies.find(call, self._clock.monotonic())
        if known is not None:
            return await _answer_of(known.answer, call.timeout_ms)
        self._check_room(node)
        params_json = prepare() if prepare is not None else call.params_json
        waiting = self._begin(node, call)
        request = _request(waiting.invoke_id, call, params_json)
        self._publish(Event("node.invoke.request", request, only=_only(node)))
        try:
            outcome = await _answer_of(waiting.reply.answer, call.timeout_ms)
        finally:
            # Also if the caller was cancelled: those who asked again must not wait for ever.
            self._end(waiting, TIMED_OUT)
        return outcome

    def result(self, conn_id: ConnId, invoke_id: str, outcome: Outcome) -> bool:
        """A node answers; False if nobody waits for that, or it is another's to answer."""
        waiting = self._waiting.get(invoke_id)
        if waiting is None or waiting.conn_id != conn_id:
            return False
        self._end(waiting, outcome)
        return True

    def gone(self, conn_id: ConnId) -> int:
        """A node's connection has ended: everybody who waits for it hears so; how many."""
        lost = [one for one in self._waiting.values() if one.conn_id == conn_id]
        for waiting in lost:
            self._end(waiting, _gone(waiting.reply.call.command))
        return len(lost)

    def _check_room(self, node: LiveNode) -> None:
        here = self._per_node[node.conn_id]
        if here < MAX_PER_NODE and len(self._waiting) < MAX_WAITING:
            return
        self._metrics.node_invokes.labels("busy").inc()
        raise Failed(
            f"{here} calls to this node and {len(self._waiting)} in all wait for an answer, "
            f"more than {MAX_PER_NODE} and {MAX_WAITING} are not taken: try again in a moment",
            retryable=True,
            retry_after_ms=_RETRY_AFTER_MS,
        )

    def _begin(self, node: LiveNode, call: NodeCall) -> _Waiting:
        answer = asyncio.get_running_loop().create_future()
        waiting = _Waiting(self._new_invoke_id(), node.conn_id, self._replies.begin(call, answer))
        self._waiting[waiting.invoke_id] = waiting
        self._per_node[node.conn_id] += 1
        return waiting

    def _end(self, waiting: _Waiting, outcome: Outcome) -> None:
        """Let it go with `outcome`; the first end counts."""
        if self._waiting.pop(waiting.invoke_id, None) is None:
            return
        self._per_node[waiting.conn_id] -= 1
        if not self._per_node[waiting.conn_id]:
            del self._per_node[waiting.conn_id]
        waiting.reply.answer.set_result(outcome)
        self._replies.end(waiting.reply, outcome, self._clock.monotonic())
        self._metrics.node_invokes.labels(_word(outcome)).inc()


async def _answer_of(answer: asyncio.Future[Outcome], timeout_ms: int) -> Outcome:
    try:
        async with asyncio.timeout(timeout_ms / 1000):
            return await asyncio.shield(answer)
    except TimeoutError:
        return TIMED_OUT


def _request(invoke_id: str, call: NodeCall, params_json: str | None) -> NodeInvokeRequest:
    return NodeInvokeRequest(
        id=invoke_id,
        node_id=call.node_id,
        command=call.command,
        params_json=params_json,
        timeout_ms=call.timeout_ms,
        idempotency_key=call.idempotency_key,
    )


def _only(node: LiveNode) -> frozenset[ConnId]:
    return frozenset((node.conn_id,))


def _gone(command: str) -> Outcome:
    return Outcome(failure=NodeFailure("DISCONNECTED", f"node disconnected ({command})"))


def _word(outcome: Outcome) -> str:
    if outcome.failure is None:
        return "ok"
    if outcome is TIMED_OUT:
        return "timeout"
    return "gone" if outcome.failure.code == "DISCONNECTED" else "failed"
