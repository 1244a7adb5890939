"""`POST /v1/chat/completions` and `GET /v1/models`, for programs that speak to OpenAI's API.

A request is a turn of an agent like any other: it is durable before it runs, it has its
session, and who hangs up ends it. A credential is asked for always, and it must be allowed
to write.
"""

from __future__ import annotations

from typing import Final

from aiohttp import web

from carapace.agent.types import RunOutcome, Submission
from carapace.clock import Clock
from carapace.provenance import Provenance
from carapace.server.http_access import HttpAccess
from carapace.server.http_errors import error_response, json_response
from carapace.server.http_runs import DONE, event
from carapace.server.openai_conversation import client_tools, cut
from carapace.server.openai_door import OpenAiDoor
from carapace.server.openai_wire import (
    ChatRequest,
    Completion,
    chunk,
    completion,
    conversation,
    decode_request,
    failure_of,
    finish_of,
    model_list,
    model_row,
    pending_of,
    tool_chunk,
    usage_chunk,
)
from carapace.server.ports import ChatModels

__all__ = ["ChatRoutes", "ModelRoutes"]

_BODY_DEADLINE_S: Final = 30.0
_CUT_SHORT: Final = "the answer was cut short: see the gateway's log"


class ModelRoutes:
    """`GET /v1/models` and `GET /v1/models/NAME`.

    Args:
        models: Which agents there are.
        access: Judges the credential.
        clock: For `created`.
    """

    def __init__(self, models: ChatModels, *, access: HttpAccess, clock: Clock) -> None:
        self._models = models
        self._access = access
        self._clock = clock

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Serve them."""
        router.add_get("/v1/models", self.every)
        router.add_get("/v1/models/{name:.+}", self.one)

    async def every(self, request: web.Request) -> web.Response:
        """Every agent, as a model."""
        caller = await self._access.caller(request, "models.list")
        if isinstance(caller, web.Response):
            return caller
        return json_response(model_list(self._models.agent_ids(), self._clock.now_ms() // 1000))

    async def one(self, request: web.Request) -> web.Response:
        """One of them."""
        caller = await self._access.caller(request, "models.list")
        if isinstance(caller, web.Response):
            return caller
        name = request.match_info["name"]
        row = model_row(name, self._models.agent_ids(), self._clock.now_ms() // 1000)
        if row is None:
            return error_response(404, f"there is no model {name[:100]!r}: see GET /v1/models")
        return json_response(row)


class ChatRoutes:
    """`POST /v1/chat/completions`.

    Args:
        door: How its requests come in and its answers go out.
        clock: For `created`.
    """

    def __init__(self, door: OpenAiDoor, *, clock: Clock) -> None:
        self._door = door
        self._clock = clock

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Serve it."""
        router.add_post("/v1/chat/completions", self.chat)

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """Answer a conversation, whole or as a stream."""
        taken = await self._door.take(request, deadline_s=_BODY_DEADLINE_S)
        if isinstance(taken, web.Response):
            return taken
        asked = decode_request(taken.body)
        submission = await self._submission(asked, request, taken.words)
        now_s = self._clock.now_ms() // 1000
        head = Completion(f"chatcmpl_{submission.run_id}", asked.model, now_s)
        if asked.stream:
            return await self._door.stream(request, submission, _Chunks(head, asked))
        return await self._door.answer(submission, lambda outcome: completion(head, outcome))

    async def _submission(
        self, asked: ChatRequest, request: web.Request, words: Provenance
    ) -> Submission:
        agent_id = self._door.agent(asked.model, request.headers)
        tools = client_tools(asked.tools or (), asked.tool_choice)
        said, system = await conversation(asked.messages, self._door.files())
        question = cut(said, field="messages")
        session = self._door.session(request.headers, agent_id, asked.user, kind="openai")
        return self._door.submission(session, question, tools, system, words=words)


class _Chunks:
    """The events of a chat completion."""

    def __init__(self, head: Completion, asked: ChatRequest) -> None:
        self._head = head
        options = asked.stream_options
        self._with_usage = bool(options is not None and options.include_usage)

    def begin(self) -> bytes:
        """The role."""
        return event(chunk(self._head, {"role": "assistant"}))

    def text(self, more: str) -> bytes:
        """A piece of text."""
        return event(chunk(self._head, {"content": more}))

    def end(self, outcome: RunOutcome | None) -> bytes:
        """Tools, the reason, usage if it was asked for; or what went wrong."""
        if outcome is None:
            return event({"error": {"message": _CUT_SHORT, "type": "api_error"}}) + DONE
        failure = failure_of(outcome)
        if failure is not None:
            return event({"error": {"message": failure[1], "type": "api_error"}}) + DONE
        calls = pending_of(outcome)
        ending = event(tool_chunk(self._head, calls)) if calls else b""
        ending += event(chunk(self._head, {}, finish_of(outcome)))
        if self._with_usage:
            ending += event(usage_chunk(self._head, outcome))
        return ending + DONE
