"""The embedded model as a provider: a child process, started at first use, let go when idle."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence

from carapace.agent.providers.local_keeper import LOAD_TIMEOUT_S, LocalState, OnState, WorkerKeeper
from carapace.agent.providers.local_messages import chat_messages, question
from carapace.agent.providers.local_process import (
    COMMAND,
    WorkerDied,
    WorkerFault,
    WorkerProcess,
)
from carapace.agent.providers.local_tools import (
    MAX_ROUTE_TOKENS,
    is_small_talk,
    read_route,
    route_messages,
    route_schema,
)
from carapace.agent.providers.local_wire import ChatMessage, Delta, Done, Generate
from carapace.agent.providers.ports import (
    ModelEvent,
    ModelRequest,
    ProviderError,
    ProviderFault,
    Stop,
    TextDelta,
    ToolCall,
    Usage,
)
from carapace.agent.weights.library import Library
from carapace.clock import Clock
from carapace.config.settings.models import EmbeddedSettings
from carapace.ids import new_id

__all__ = ["LocalProvider", "LocalState"]

MAX_WAITING = 8
DEFAULT_MAX_TOKENS = 1024
_TEMPERATURE = 0.3
_CHAT_LANE = 0
_ROUTE_LANE = 1


class LocalProvider:
    """Answers with the embedded model, one at a time.

    Args:
        settings: Which model, how much context, how many threads, when to let go.
        library: Where the weights are.
        clock: For idleness and crashes.
        command: How the child is started; a test brings its own.
        on_state: Told of each change of state, with the model's name.
    """

    def __init__(
        self,
        settings: EmbeddedSettings,
        library: Library,
        *,
        clock: Clock,
        command: Sequence[str] = COMMAND,
        on_state: OnState = lambda _state, _name: None,
    ) -> None:
        self._keeper = WorkerKeeper(
            settings, library, clock=clock, command=command, on_state=on_state
        )
        self._waiting = 0
        self._answers = 0

    @property
    def state(self) -> LocalState:
        """Where the model is."""
        return self._keeper.state

    @property
    def worker_pid(self) -> int | None:
        """The child's process id, None if there is none."""
        return self._keeper.pid

    def apply(self, settings: EmbeddedSettings) -> None:
        """Take new settings; another model or context is loaded for the next request."""
        self._keeper.apply(settings)

    async def warm(self, model: str = "") -> None:
        """Load the model now, so that the first answer need not wait for it.

        Raises:
            ProviderError: As `stream`.
        """
        async with self._turn(LOAD_TIMEOUT_S):
            await self._keeper.ready(model)

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        """Events of one answer, ended by `Stop`. Closing the generator cancels the request.

        With tools, the model first chooses one or none; a chosen one ends the stream. A
        conversation that ends with a tool's result is answered in words. A forced call is chosen
        from the first six tools, whatever was said last.

        Raises:
            ProviderError: No weights, no engine, a crash, a full queue, too long a prompt.
        """
        async with self._turn(request.timeout_s), self._faults():
            worker = await self._keeper.ready(request.model)
            used = Usage()
            asked = _choosing_for(request)
            if asked is not None:
                call, used = await self._route(worker, request, asked)
                if call is None and request.forced_call is not None:
                    raise ProviderError(
                        ProviderFault.BROKEN,
                        "The embedded model began a call and did not finish it: ask again, with "
                        "tools that take less, or use a larger model.",
                    )
                if call is not None:
                    yield call
                    yield used
                    yield Stop("tool_calls")
                    return
            async with contextlib.aclosing(self._write(worker, request, used)) as events:
                async for event in events:
                    yield event
            self._keeper.succeeded()

    async def _write(
        self, worker: WorkerProcess, request: ModelRequest, used: Usage
    ) -> AsyncGenerator[ModelEvent, None]:
        most = request.max_tokens or DEFAULT_MAX_TOKENS
        generate = self._generate(request.timeout_s, worker, chat_messages(request), most)
        async with contextlib.aclosing(generate) as answer:
            async for message in answer:
                if isinstance(message, Delta):
                    yield TextDelta(message.text)
                else:
                    yield _sum(used, message)
                    yield Stop("length" if message.reason == "length" else "stop")

    def _generate(
        self, timeout_s: float, worker: WorkerProcess, messages: tuple[ChatMessage, ...], most: int
    ) -> AsyncGenerator[Delta | Done, None]:
        self._answers += 1
        return worker.generate(
            Generate(self._answers, messages, most, _TEMPERATURE, _CHAT_LANE),
            silence_timeout_s=timeout_s,
        )

    async def _route(
        self, worker: WorkerProcess, request: ModelRequest, asked: str
    ) -> tuple[ToolCall | None, Usage]:
        """Which tool to call for what was asked, and what choosing took."""
        self._answers += 1
        generate = Generate(
            self._answers,
            route_messages(request.tools, asked),
            MAX_ROUTE_TOKENS,
            temperature=0.0,
            lane=_ROUTE_LANE,
            schema=route_schema(request.tools, asked, is_forced=request.forced_call is not None),
        )
        text = ""
        used = Usage()
        async with contextlib.aclosing(
            worker.generate(generate, silence_timeout_s=request.timeout_s)
        ) as answer:
            async for message in answer:
                if isinstance(message, Delta):
                    text += message.text
                else:
                    used = _sum(used, message)
        return read_route(text, request.tools, f"call_{new_id()}"), used

    @contextlib.asynccontextmanager
    async def _turn(self, timeout_s: float) -> AsyncGenerator[None]:
        """One at a time; a few may wait."""
        if self._waiting >= MAX_WAITING:
            raise ProviderError(
                ProviderFault.OVERLOADED,
                f"The embedded model is busy and {MAX_WAITING} requests wait for it already.",
            )
        self._waiting += 1
        try:
            async with asyncio.timeout(timeout_s):
                await self._keeper.lock.acquire()
        except TimeoutError:
            raise ProviderError(
                ProviderFault.OVERLOADED,
                f"The embedded model was busy with other requests for {timeout_s:.0f} s.",
            ) from None
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._keeper.used()
            self._keeper.lock.release()

    @contextlib.asynccontextmanager
    async def _faults(self) -> AsyncGenerator[None]:
        """The worker's failures in the words of the port."""
        try:
            yield
        except WorkerFault as error:
            if error.fault.kind == "context":
                raise ProviderError(ProviderFault.CONTEXT, error.fault.message) from error
            raise ProviderError(
                ProviderFault.BROKEN, f"The embedded model failed: {error.fault.message}"
            ) from error
        except WorkerDied as error:
            self._keeper.crashed()
            raise ProviderError(
                ProviderFault.UNREACHABLE,
                f"The embedded model stopped unexpectedly ({error}). The next message starts "
                "it again; if it keeps stopping, choose a smaller one: cara model use small",
            ) from error

    async def aclose(self) -> None:
        """End the child."""
        await self._keeper.close()


def _choosing_for(request: ModelRequest) -> str | None:
    """The words a tool is chosen for; None if there is nothing to choose."""
    asked = question(request) if request.tools else None
    if request.forced_call is not None and request.tools:
        said = chat_messages(request)
        return asked or (said[-1].content if said else "")
    return None if asked is None or is_small_talk(asked) else asked


def _sum(used: Usage, done: Done) -> Usage:
    return Usage(
        input=used.input + done.input_tokens,
        output=used.output + done.output_tokens,
        cache_read=used.cache_read + done.cached_tokens,
    )
