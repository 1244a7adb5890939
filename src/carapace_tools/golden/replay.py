"""Ask a gateway what was recorded and compare what it answers."""

# Recorded JSON has any shape:
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false, reportOptionalSubscript=false
from __future__ import annotations

import asyncio
import copy
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from carapace_tools.golden.bindings import Bindings, at
from carapace_tools.golden.connection import Connection, ReplayError, operator_params
from carapace_tools.golden.http import FOLDER, HttpReplay, recorded_answer
from carapace_tools.golden.identity import Identity
from carapace_tools.golden.matching import Comparison, compare
from carapace_tools.golden.nodes import ScriptedNode
from carapace_tools.golden.scenario import DeviceRecipe, Preparation, Scenario, Step
from carapace_tools.golden.traces import Case, Trace, load_trace

__all__ = ["Outcome", "Replay"]

_STREAM_EVENTS = ("agent", "chat")
_INJECTED = "inject-"  # the gateway chooses such an id itself
_TERMINAL = ("final", "aborted", "error")
_OWN_EVENTS = (
    "cron",
    "device.pair.requested",
    "device.pair.resolved",
    "exec.approval.requested",
    "exec.approval.resolved",
    "node.pair.requested",
    "node.pair.resolved",
    "talk.mode",
    "voicewake.changed",
)
"""Events that follow from one request and are compared with its answer."""
_BY_THE_CLOCK = ("health", "presence", "tick")
_BACK_DEADLINE_S = 15.0
_BACK_POLL_S = 0.05
_FROM_ELSEWHERE = {"X-Forwarded-For": "10.0.0.9"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """One exchange asked again."""

    method: str
    case: str
    comparison: Comparison
    rewritten: str


class Replay:
    """Runs a scenario against one gateway.

    Args:
        url: `ws://host:port/`.
        token: The shared token.
        traces: Folder of the trace files.
        scenario: What to do.
        on_outcome: Called after each step, for progress.
    """

    def __init__(
        self,
        url: str,
        token: str,
        traces: Path,
        scenario: Scenario,
        on_outcome: Callable[[Outcome], None] = lambda _: None,
    ) -> None:
        self._url, self._token = url, token
        self._folder, self._scenario, self._on_outcome = traces, scenario, on_outcome
        self._traces: dict[str, Trace] = {}
        self._device_token = ""
        self._count = 0
        self._bindings = Bindings()
        for recorded, name in scenario.devices.items():
            self._bindings.bind(recorded, Identity(name).device_id)
        self._node: ScriptedNode | None = None
        self._nodes = AsyncExitStack()
        hooks = scenario.config.get("hooks") or {}
        self._http = HttpReplay(url, token, str(hooks.get("token", "")))

    async def run(self) -> list[Outcome]:
        """All steps in order; a step that cannot be asked at all is a difference, not the end."""
        outcomes: list[Outcome] = []
        async with AsyncExitStack() as stack:
            self._session = await stack.enter_async_context(aiohttp.ClientSession())
            main = await stack.enter_async_context(Connection(self._session, self._url, {}))
            hello = await main.sign_in(self._token, Identity("main"))
            self._device_token = hello["auth"]["deviceToken"]
            self._nodes = await stack.enter_async_context(AsyncExitStack())
            for step in self._scenario.step:
                outcome = await self._step(step, main)
                outcomes.append(outcome)
                self._on_outcome(outcome)
        return outcomes

    async def _step(self, step: Step, main: Connection) -> Outcome:
        trace = self._trace(step.trace)
        case = [one for one in trace.cases if one.case == step.case][step.nth]
        found: dict[str, Any]
        try:
            found = await self._ask(step, case, main)
        except (ReplayError, aiohttp.ClientError) as error:
            found = {"error": str(error)}
        for path, recorded_text in step.binds.items():
            self._bind(recorded_text, found, path)
        found = self._bindings.as_recorded(found)
        recorded = _recorded(case, step)
        comparison = compare(
            recorded, found, self._scenario.rule, trace=step.trace, case=step.case, path="$"
        )
        return Outcome(trace.method, f"{step.trace}: {step.case}", comparison, step.why)

    def _trace(self, name: str) -> Trace:
        if name not in self._traces:
            self._traces[name] = load_trace(self._folder, name)
        return self._traces[name]

    async def _ask(self, step: Step, case: Case, main: Connection) -> dict[str, Any]:
        await self._come_and_go(step)
        for preparation in step.before:
            await self._prepare(main, preparation)
        if step.on == "node":
            return await self._on_node(step, case)
        if step.on == "main":
            if step.trace.startswith(FOLDER):
                request = _rewritten(case.request, step)
                return {"responses": [await self._http.ask(request, case.responses[0])]}
            if case.request is None:
                return {"responses": [], "events": _heard(main, case, self._bindings)}
            return await self._exchange(main, case, self._request(case, step), step.meanwhile)
        await self._until_open()
        return await self._anew(step, case, main)

    async def _anew(self, step: Step, case: Case, main: Connection) -> dict[str, Any]:
        """Ask on a connection of its own."""
        async with Connection(self._session, self._url, step.headers) as connection:
            if step.on == "raw":
                return await self._raw(connection, step, case)
            await connection.sign_in(self._token, Identity("main"))
            request = self._request(case, step)
            if step.on == "pair":
                wanted = len(_recorded(case, step)["responses"][0]["answers"])
                return await self._pair(connection, main, request, wanted)
            return await self._exchange(connection, case, request, step.meanwhile)

    async def _pair(
        self, own: Connection, other: Connection, request: Any, wanted: int
    ) -> dict[str, Any]:
        """One run as the connection that asked for it sees it, and as another one does.

        The last answer comes after the last event: `wanted` of them are waited for.
        """
        run_id = request["params"]["idempotencyKey"]
        await own.send(request)
        for connection in (own, other):
            await connection.until(
                lambda seen=connection: _chat(seen, run_id, _TERMINAL), f"the end of {run_id}"
            )
        await own.until(
            lambda: len(own.answers(request["id"])) >= wanted or own.closed, f"{wanted} answers"
        )
        await self._settle(own)
        return {"responses": [_seen_by_two(own.frames, other.frames, run_id, request["id"])]}

    async def _until_open(self) -> None:
        """Wait until the gateway listens: a step before this one may have restarted it."""
        end = time.monotonic() + _BACK_DEADLINE_S
        while True:
            try:
                async with Connection(self._session, self._url, {}):
                    return
            except aiohttp.ClientConnectionError:
                if time.monotonic() > end:
                    raise
                await asyncio.sleep(_BACK_POLL_S)

    def _request(self, case: Case, step: Step) -> Any:
        return self._bindings.to_send(_rewritten(case.request, step))

    def _bind(self, recorded: str, found: dict[str, Any], path: str) -> None:
        """What is at `path` is what the recording calls so; a path that leads nowhere differs."""
        try:
            self._bindings.bind(recorded, str(at(found, path)))
        except LookupError:
            found["unbound"] = path

    async def _come_and_go(self, step: Step) -> None:
        """Nodes that the step wants, or wants gone."""
        if step.leaves or step.joins:
            await self._nodes.aclose()
            self._node = None
        if step.joins:
            script = next(one for one in self._scenario.node if one.name == step.joins)
            connection = Connection(self._session, self._url, {})
            await self._nodes.enter_async_context(connection)
            node = ScriptedNode(connection, script, self._answer_of, self._bindings)
            await node.join(self._token)
            self._node = node

    def _answer_of(self, case: str) -> dict[str, Any]:
        """What a node was recorded to answer."""
        request = self._trace("node.invoke.result").case(case).request
        if not isinstance(request, dict):
            raise ReplayError(f"node.invoke.result: {case} is no request")
        return request

    async def _on_node(self, step: Step, case: Case) -> dict[str, Any]:
        """Ask on the node's connection; what it said or heard before is not asked again."""
        if self._node is None:
            raise ReplayError("no node has joined")
        connection = self._node.connection
        if case.request is None:
            await self._settle(connection)
            return {"responses": [], "events": _heard(connection, case, self._bindings)}
        if said := connection.answers(_answer_id(case)):
            return {"responses": said}
        return await self._exchange(connection, case, self._request(case, step))

    async def _knock(self, name: str, request_id: str) -> None:
        """A device that nobody knows comes from elsewhere, and waits."""
        async with Connection(self._session, self._url, _FROM_ELSEWHERE) as connection:
            params = operator_params(self._token, "operator.admin")
            answer = await connection.ask_in(params, self._token, Identity(name))
        self._bind(request_id, answer, "error.details.requestId")

    async def _prepare(self, main: Connection, preparation: Preparation) -> None:
        if preparation.knock:
            await self._knock(preparation.knock, preparation.request_id)
            return
        self._count += 1
        params = preparation.params
        if preparation.until == "sent":
            request = {"type": "req", "id": f"prepare-{self._count}", "method": preparation.method}
            await main.send({**request, "params": params})
            return
        answer = await main.call(f"prepare-{self._count}", preparation.method, params)
        if not answer["ok"]:
            raise ReplayError(f"preparation {preparation.method} refused: {answer['error']}")
        if preparation.until == "answer":
            return
        run_id = str(answer["payload"]["runId"])
        states = _TERMINAL if preparation.until == "final" else ("delta",)
        await main.until(lambda: _chat(main, run_id, states), f"{preparation.until} of {run_id}")

    async def _exchange(
        self,
        connection: Connection,
        case: Case,
        request: Any,
        meanwhile: Sequence[Preparation] = (),
    ) -> dict[str, Any]:
        """Send one frame on a signed-in connection and collect what belongs to it."""
        start = len(connection.frames)
        if isinstance(request, str):
            await connection.send_text(request)
        else:
            await connection.send(request)
        for preparation in meanwhile:
            await self._prepare(connection, preparation)
        if case.close is not None:
            closed = await connection.until(lambda: connection.closed, "the close")
            found = {"responses": connection.answers(_answer_id(case))}
            return {**found, **_ending(connection.frames[start:], closed[0], closed[1])}
        if self._node is not None:
            await self._node.serve(_invoke_key(request))
        wanted_id = _answer_id(case)

        def answered() -> list[dict[str, Any]]:
            got = [f for f in connection.frames[start:] if f.get("type") == "res"]
            return [f for f in got if f.get("id") == wanted_id]

        wanted = len(case.responses)
        if wanted:
            await connection.until(
                lambda: len(answered()) >= wanted or connection.closed, f"{wanted} answers"
            )
        run_id = _run_id(case)
        if run_id is not None and _names_its_run(case):
            await connection.until(
                lambda: _chat(connection, run_id, _TERMINAL), f"the end of {run_id}"
            )
        elif run_id is not None:
            await connection.until(lambda: _ended(connection.frames[start:]), "the end of a run")
        await self._settle(connection)
        found: dict[str, Any] = {"responses": answered()}
        if case.events:
            found["events"] = _told(connection.frames[start:], case)
        return found

    async def _settle(self, connection: Connection) -> None:
        """One more round trip: what the gateway sent before it has arrived."""
        self._count += 1
        await connection.call(f"settle-{self._count}", "last-heartbeat", {})

    async def _raw(self, connection: Connection, step: Step, case: Case) -> dict[str, Any]:
        """Send the recorded first frame of a connection, signed anew where it was signed."""
        nonce = await connection.nonce()
        request = self._signed(self._request(case, step), step.device, nonce)
        if isinstance(request, str):
            await connection.send_text(request)
        elif request is not None:
            await connection.send(request)
        if case.close is None:
            await connection.until(
                lambda: any(f.get("type") == "res" for f in connection.frames), "an answer"
            )
            return {"responses": _handshake(connection, case)}
        closed = await connection.until(lambda: connection.closed, "the close")
        close: dict[str, Any] = {"code": closed[0], "reason": closed[1]}
        if case.close.after_seconds is not None:
            close["afterSeconds"] = round(closed[2])
        return {"responses": _handshake(connection, case), "close": close}

    def _signed(self, request: Any, recipe: DeviceRecipe | None, nonce: str) -> Any:
        if not isinstance(request, dict) or "params" not in request:
            return request
        frame: dict[str, Any] = request
        params = frame["params"]
        auth = params.get("auth") if isinstance(params, dict) else None
        tokens = {"<TOKEN>": self._token, "<deviceToken>": self._device_token}
        for key, value in (auth or {}).items():
            auth[key] = tokens.get(value, value)
        if recipe is None or "device" not in params:
            return frame
        if recipe.token == "device":  # noqa: S105 - a kind, not a secret
            auth["token"] = self._device_token
        params["device"] = _proof(params, recipe, nonce)
        return frame


def _proof(params: dict[str, Any], recipe: DeviceRecipe, nonce: str) -> dict[str, Any]:
    signed_at_ms = time.time_ns() // 1_000_000
    if recipe.tamper == "old":
        signed_at_ms -= 11 * 60 * 1000
    auth = params.get("auth") or {}
    proof = Identity(recipe.identity).proof(
        params,
        version=recipe.version,
        nonce="another-nonce" if recipe.tamper == "nonce" else nonce,
        signed_at_ms=signed_at_ms,
        token=auth.get("token"),
    )
    if recipe.tamper == "id":
        proof["id"] = "0" * 64
    if recipe.tamper == "signature":
        proof["signature"] = Identity("somebody else").proof(
            params, version="v2", nonce=nonce, signed_at_ms=signed_at_ms, token=None
        )["signature"]
    return proof


def _rewritten(request: Any, step: Step) -> Any:
    frame = copy.deepcopy(request)
    for path, value in step.rewrite.items():
        place = frame
        *parents, last = path.split(".")
        for name in parents:
            place = place[name]
        place[last] = _spelled_out(value)
    return frame


def _spelled_out(value: Any) -> Any:
    if isinstance(value, str) and value.startswith("@repeat:"):
        _, text, count = value.split(":")
        return text * int(count)
    return value


def _recorded(case: Case, step: Step) -> dict[str, Any]:
    if step.trace.startswith(FOLDER):
        return {"responses": [recorded_answer(case.responses[0])]}
    if step.on == "pair" and isinstance(case.request, dict):
        both, asked = case.responses[0], case.request
        run_id = asked["params"]["idempotencyKey"]
        return {"responses": [_seen_by_two(both["own"], both["other"], run_id, asked["id"])]}
    is_raw = step.on == "raw"
    recorded: dict[str, Any] = {"responses": case.responses}
    if case.request is None and not is_raw:
        frames = case.frames() if _is_of_one_kind(case) else _unprompted(case.frames())
        return {**recorded, "events": [_plain(frame) for frame in frames]}
    if case.close is not None:
        heard = [] if is_raw else case.frames()
        recorded |= _ending(heard, case.close.code, case.close.reason)
        if case.close.after_seconds is not None:
            recorded["close"]["afterSeconds"] = round(case.close.after_seconds)
    elif case.events and not is_raw:
        recorded["events"] = _told(case.frames(), case)
    return recorded


def _ending(frames: list[dict[str, Any]], code: int, reason: str) -> dict[str, Any]:
    """How a connection ended, and whether it was told before."""
    farewell = [_plain(frame) for frame in frames if frame.get("event") == "shutdown"]
    close: dict[str, Any] = {"code": code, "reason": reason}
    return {"events": farewell, "close": close} if farewell else {"close": close}


def _seen_by_two(
    own: list[dict[str, Any]], other: list[dict[str, Any]], run_id: str, request_id: str
) -> dict[str, Any]:
    """The answers of one and the events of both."""
    answers = [frame for frame in own if frame.get("id") == request_id]
    return {
        "answers": [frame.get("payload") for frame in answers],
        "own": _stream(own, run_id),
        "other": _stream(other, run_id),
    }


def _told(frames: list[dict[str, Any]], case: Case) -> list[dict[str, Any]]:
    """What belongs to one exchange: its run, and news that follows from it alone."""
    run_id = _run_id(case) if _names_its_run(case) else None
    own = [_plain(frame) for frame in frames if frame.get("event") in _OWN_EVENTS]
    return _stream(frames, run_id) + own


def _heard(connection: Connection, case: Case, as_recorded: Bindings) -> list[dict[str, Any]]:
    """Events heard so far that the recorded ones stand for."""
    heard = [_plain(as_recorded.as_recorded(frame)) for frame in connection.events()]
    if not _is_of_one_kind(case):
        return _unprompted(heard)
    recorded = case.frames()
    likes = [[one for one in heard if _is_like(one, frame)] for frame in recorded]
    # The first one and the last one, as they were recorded.
    return [like[0 if index == 0 else -1] for index, like in enumerate(likes) if like]


def _is_like(heard: dict[str, Any], recorded: dict[str, Any]) -> bool:
    """Whether it is of the same kind and about the same request."""
    payload = recorded["payload"]
    keys = [key for key in ("requestId", "idempotencyKey") if key in payload]
    return heard["event"] == recorded["event"] and all(
        heard["payload"].get(key) == payload[key] for key in keys
    )


def _is_of_one_kind(case: Case) -> bool:
    return len({frame.get("event") for frame in case.frames()}) == 1


def _unprompted(frames: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without what is told by the clock, whose place is chance."""
    return [_plain(frame) for frame in frames if frame.get("event") not in _BY_THE_CLOCK]


def _plain(frame: dict[str, Any]) -> dict[str, Any]:
    return {"event": frame["event"], "payload": frame.get("payload")}


def _method(request: Any) -> str:
    return str(request.get("method")) if isinstance(request, dict) else ""


def _invoke_key(request: Any) -> str:
    """By which a node finds what it is asked; empty if it is not asked anything."""
    if _method(request) != "node.invoke":
        return ""
    return str(request["params"].get("idempotencyKey"))


def _names_its_run(case: Case) -> bool:
    """Whether the caller chose the id of the run; the gateway does for nodes and jobs."""
    return _method(case.request) not in ("cron.run", "node.event")


def _ended(frames: list[dict[str, Any]]) -> bool:
    chats = (frame["payload"] for frame in frames if frame.get("event") == "chat")
    return any(payload.get("state") in _TERMINAL for payload in chats)


def _stream(frames: list[dict[str, Any]], run_id: str | None) -> list[dict[str, Any]]:
    """Agent and chat events of one run; of the throttled chat deltas only the first."""
    out: list[dict[str, Any]] = []
    has_delta = False
    for frame in frames:
        payload = frame.get("payload")
        if frame.get("event") not in _STREAM_EVENTS or not isinstance(payload, dict):
            continue
        if run_id is not None and payload.get("runId") != run_id:
            continue
        if payload.get("state") == "delta":
            if has_delta:
                continue
            has_delta = True
        out.append({"event": frame["event"], "payload": payload})
    return out


def _run_id(case: Case) -> str | None:
    """The run whose end this exchange waits for: the one its last chat event speaks of."""
    for frame in reversed(case.frames()):
        if frame.get("event") == "chat":
            run_id = str(frame["payload"]["runId"])
            return None if run_id.startswith(_INJECTED) else run_id
    return None


def _chat(connection: Connection, run_id: str, states: Sequence[str]) -> list[dict[str, Any]]:
    payloads = (frame["payload"] for frame in connection.events("chat"))
    return [p for p in payloads if p.get("runId") == run_id and p.get("state") in states]


def _answer_id(case: Case) -> Any:
    return case.responses[0].get("id") if case.responses else None


def _handshake(connection: Connection, case: Case) -> list[dict[str, Any]]:
    """The answers, and the challenge if the recording of this handshake holds it."""
    with_challenge = not case.responses or case.responses[0].get("type") == "event"
    return [
        f
        for f in connection.frames
        if f.get("type") == "res" or (with_challenge and f.get("event") == "connect.challenge")
    ]
