"""`POST /v1/chat/completions` and `GET /v1/models`, for programs that speak to OpenAI's API.

A request is a turn of an agent like any other: it is durable before it runs, it has its
session, and who hangs up ends it. A credential is asked for always, and it must be allowed
to write.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Final

import msgspec
from aiohttp import web

from carapace.agent.types import RunOutcome, StopReason, Submission, TextUpdate
from carapace.auth.types import ConnectRefused, Origin
from carapace.clock import Clock
from carapace.errors import Failed, GatewayError
from carapace.ids import RunId, new_id
from carapace.protocol.scopes import Scope
from carapace.provenance import Authority, Provenance
from carapace.provenance import Origin as Door
from carapace.server.http_errors import error_response, json_response, read_body
from carapace.server.http_health import bearer_of
from carapace.server.openai_wire import (
    ChatRequest,
    Completion,
    chunk,
    completion,
    decode_request,
    model_list,
    plan_chat,
    usage_chunk,
)
from carapace.server.ports import Admitter, ChatModels, ChatRuns

__all__ = ["OpenAiRoutes"]

_MAX_BODY: Final = 1_048_576
_BODY_DEADLINE_S: Final = 30.0
_RUN_DEADLINE_S: Final = 3_600.0
_PROGRAM: Final = Provenance(origin=Door.HTTP, authority=Authority.OWNER)
_ENCODE: Final = msgspec.json.Encoder().encode
_DONE: Final = b"data: [DONE]\n\n"


class OpenAiRoutes:
    """The two endpoints.

    Args:
        runs: The agent.
        models: Which agents there are.
        admitter: Judges the credential.
        origin_of: Where a request comes from.
        clock: For `created`.
    """

    def __init__(
        self,
        runs: ChatRuns,
        *,
        models: ChatModels,
        admitter: Admitter,
        origin_of: Callable[[web.BaseRequest], Origin],
        clock: Clock,
    ) -> None:
        self._runs = runs
        self._models = models
        self._admitter = admitter
        self._origin_of = origin_of
        self._clock = clock

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Serve them."""
        router.add_post("/v1/chat/completions", self.chat)
        router.add_get("/v1/models", self.list_models)

    async def list_models(self, request: web.Request) -> web.Response:
        """Every agent, as a model."""
        refused = await self._refusal(request, Scope.READ)
        if refused is not None:
            return refused
        created = self._clock.now_ms() // 1000
        return json_response(model_list(self._models.agent_ids(), created))

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """Answer a conversation, whole or as a stream."""
        refused = await self._refusal(request, Scope.WRITE)
        if refused is not None:
            return refused
        body = await read_body(request, max_bytes=_MAX_BODY, deadline_s=_BODY_DEADLINE_S)
        asked = decode_request(body)
        submission = self._submission(asked, request)
        head = Completion(
            f"chatcmpl_{submission.run_id}", asked.model, self._clock.now_ms() // 1000
        )
        await self._runs.submit(submission)
        if asked.stream:
            return await self._stream(request, asked, submission, head)
        outcome = await self._runs.wait(submission.run_id, _RUN_DEADLINE_S)
        if outcome is None:
            raise Failed("the answer took too long: ask again, or ask for less")
        if outcome.status == "error":
            return error_response(500, outcome.error or outcome.summary)
        return json_response(completion(head, outcome))

    async def _refusal(self, request: web.Request, scope: Scope) -> web.Response | None:
        try:
            caller = await self._admitter.bearer(bearer_of(request), self._origin_of(request))
        except ConnectRefused as error:
            if error.retry_after_ms:
                return error_response(429, error.message, retry_after_s=error.retry_after_ms / 1000)
            response = error_response(401, "Unauthorized")
            response.headers["WWW-Authenticate"] = "Bearer"
            return response
        if scope not in caller.scopes:
            return error_response(403, f"missing scope: {scope}")
        return None

    def _submission(self, asked: ChatRequest, request: web.Request) -> Submission:
        plan = plan_chat(asked, request.headers, self._models.agent_ids())
        return Submission(
            run_id=RunId(new_id()),
            session_key=plan.session_key,
            shown_key=plan.session_key,
            agent_id=plan.agent_id,
            message=plan.message,
            extra_system_prompt=plan.system_prompt,
            provenance=_PROGRAM,
        )

    async def _stream(
        self,
        request: web.Request,
        asked: ChatRequest,
        submission: Submission,
        head: Completion,
    ) -> web.StreamResponse:
        response = web.StreamResponse(
            headers={
                "Content-Type": "text/event-stream; charset=utf-8",
                "Cache-Control": "no-cache",
            }
        )
        outcome: RunOutcome | None = None
        try:
            await response.prepare(request)
            await response.write(_data(chunk(head, {"role": "assistant"})))
            async for text in self._texts(submission.run_id):
                if isinstance(text, RunOutcome):
                    outcome = text
                else:
                    await response.write(_data(chunk(head, {"content": text})))
            await response.write(_ending(head, outcome, asked))
            await response.write_eof()
        except ConnectionError:
            # Nobody listens any more: the model need not go on.
            await self._runs.abort(submission.session_key, submission.run_id, StopReason.RPC)
        return response

    async def _texts(self, run_id: RunId) -> AsyncGenerator[str | RunOutcome]:
        """Texts, then the outcome; an agent that fails on the way ends the stream."""
        try:
            async with aclosing(self._runs.updates(run_id)) as updates:
                async for update in updates:
                    if isinstance(update, TextUpdate):
                        yield update.text
                    else:
                        yield update.outcome
        except GatewayError:
            return


def _ending(head: Completion, outcome: RunOutcome | None, asked: ChatRequest) -> bytes:
    if outcome is None or outcome.status == "error":
        text = "the answer was cut short: see the gateway's log"
        message = (outcome.error or outcome.summary) if outcome else text
        return _data({"error": {"message": message, "type": "api_error"}}) + _DONE
    ending = _data(chunk(head, {}, "stop"))
    if asked.stream_options is not None and asked.stream_options.include_usage:
        ending += _data(usage_chunk(head, outcome))
    return ending + _DONE


def _data(payload: object) -> bytes:
    return b"data: %b\n\n" % _ENCODE(payload)
