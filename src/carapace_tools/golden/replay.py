"""Ask a gateway what was recorded and compare what it answers."""

# Recorded JSON has any shape:
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false, reportOptionalSubscript=false
from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from carapace_tools.golden.connection import Connection, ReplayError
from carapace_tools.golden.http import FOLDER, HttpReplay, recorded_answer
from carapace_tools.golden.identity import Identity
from carapace_tools.golden.matching import Comparison, compare
from carapace_tools.golden.scenario import DeviceRecipe, Preparation, Scenario, Step
from carapace_tools.golden.traces import Case, Trace, load_trace

__all__ = ["Outcome", "Replay"]

_STREAM_EVENTS = ("agent", "chat")
_INJECTED = "inject-"  # the gateway chooses such an id itself
_TERMINAL = ("final", "aborted", "error")


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
            for step in self._scenario.step:
                outcome = await self._step(step, main)
                outcomes.append(outcome)
                self._on_outcome(outcome)
        return outcomes

    async def _step(self, step: Step, main: Connection) -> Outcome:
        trace = self._trace(step.trace)
        case = trace.case(step.case)
        found: dict[str, Any]
        try:
            found = await self._ask(step, case, main)
        except (ReplayError, aiohttp.ClientError) as error:
            found = {"error": str(error)}
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
        if step.on == "main":
            for preparation in step.before:
                await self._prepare(main, preparation)
            if step.trace.startswith(FOLDER):
                request = _rewritten(case.request, step)
                return {"responses": [await self._http.ask(request, case.responses[0])]}
            return await self._exchange(main, case, _rewritten(case.request, step))
        async with Connection(self._session, self._url, step.headers) as connection:
            if step.on == "fresh":
                await connection.sign_in(self._token, Identity("main"))
                return await self._exchange(connection, case, _rewritten(case.request, step))
            return await self._raw(connection, step, case)

    async def _prepare(self, main: Connection, preparation: Preparation) -> None:
        self._count += 1
        params = preparation.params
        answer = await main.call(f"prepare-{self._count}", preparation.method, params)
        if not answer["ok"]:
            raise ReplayError(f"preparation {preparation.method} refused: {answer['error']}")
        if preparation.until == "answer":
            return
        run_id = str(answer["payload"]["runId"])
        states = _TERMINAL if preparation.until == "final" else ("delta",)
        await main.until(lambda: _chat(main, run_id, states), f"{preparation.until} of {run_id}")

    async def _exchange(self, connection: Connection, case: Case, request: Any) -> dict[str, Any]:
        """Send one frame on a signed-in connection and collect what belongs to it."""
        start = len(connection.frames)
        if isinstance(request, str):
            await connection.send_text(request)
        else:
            await connection.send(request)
        if case.close is not None:
            closed = await connection.until(lambda: connection.closed, "the close")
            return {"responses": [], "close": {"code": closed[0], "reason": closed[1]}}
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
        if run_id is not None:
            await connection.until(
                lambda: _chat(connection, run_id, _TERMINAL), f"the end of {run_id}"
            )
        await self._settle(connection)
        found: dict[str, Any] = {"responses": answered()}
        if case.events:
            found["events"] = _stream(connection.frames[start:], run_id)
        return found

    async def _settle(self, connection: Connection) -> None:
        """One more round trip: what the gateway sent before it has arrived."""
        self._count += 1
        await connection.call(f"settle-{self._count}", "last-heartbeat", {})

    async def _raw(self, connection: Connection, step: Step, case: Case) -> dict[str, Any]:
        """Send the recorded first frame of a connection, signed anew where it was signed."""
        nonce = await connection.nonce()
        request = self._signed(_rewritten(case.request, step), step.device, nonce)
        if isinstance(request, str):
            await connection.send_text(request)
        elif request is not None:
            await connection.send(request)
        if case.close is None:
            await connection.until(
                lambda: any(f.get("type") == "res" for f in connection.frames), "an answer"
            )
            return {"responses": _handshake(connection)}
        closed = await connection.until(lambda: connection.closed, "the close")
        close: dict[str, Any] = {"code": closed[0], "reason": closed[1]}
        if case.close.after_seconds is not None:
            close["afterSeconds"] = round(closed[2])
        return {"responses": _handshake(connection), "close": close}

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
    is_raw = step.on == "raw"
    recorded: dict[str, Any] = {"responses": case.responses}
    if case.close is not None:
        recorded["close"] = {"code": case.close.code, "reason": case.close.reason}
        if case.close.after_seconds is not None:
            recorded["close"]["afterSeconds"] = round(case.close.after_seconds)
    elif case.events and not is_raw:
        recorded["events"] = _stream(case.frames(), _run_id(case))
    return recorded


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


def _handshake(connection: Connection) -> list[dict[str, Any]]:
    """The challenge and the answers: what a recording of a handshake holds."""
    return [
        f
        for f in connection.frames
        if f.get("type") == "res" or f.get("event") == "connect.challenge"
    ]
