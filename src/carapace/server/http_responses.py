"""`POST /v1/responses`, for programs that speak to OpenAI's newer API.

An answer is a run, and its id names it: a request that names it as `previous_response_id` goes
on in the same session, as long as nothing else has been said there since. Otherwise it would
stand on words that the program has never seen.
"""

from __future__ import annotations

from typing import Final

from aiohttp import web

from carapace.agent.types import Submission
from carapace.clock import Clock
from carapace.errors import Refused
from carapace.ids import AgentId, RunId, SessionKey
from carapace.provenance import Provenance
from carapace.server.openai_conversation import client_tools, cut
from carapace.server.openai_door import OpenAiDoor
from carapace.server.ports import Answers
from carapace.server.responses_events import ResponseEvents, ResponseHead, response_body
from carapace.server.responses_wire import ResponsesRequest, conversation, decode_request
from carapace.sessions.keys import agent_of

__all__ = ["ResponsesRoutes"]

_BODY_DEADLINE_S: Final = 60.0
_ID_HEAD: Final = "resp_"
_MAX_ID: Final = 256


class ResponsesRoutes:
    """The one endpoint.

    Args:
        door: How its requests come in and its answers go out.
        answers: Which session an earlier answer is the end of.
        clock: For `created_at`.
    """

    def __init__(self, door: OpenAiDoor, *, answers: Answers, clock: Clock) -> None:
        self._door = door
        self._answers = answers
        self._clock = clock

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Serve it."""
        router.add_post("/v1/responses", self.respond)

    async def respond(self, request: web.Request) -> web.StreamResponse:
        """Answer, whole or as a stream."""
        taken = await self._door.take(request, deadline_s=_BODY_DEADLINE_S)
        if isinstance(taken, web.Response):
            return taken
        asked = decode_request(taken.body)
        submission = await self._submission(asked, request, taken.words)
        head = ResponseHead(
            submission.run_id,
            asked.model,
            self._clock.now_ms() // 1000,
            asked.previous_response_id,
        )
        if asked.stream:
            return await self._door.stream(request, submission, ResponseEvents(head))
        return await self._door.answer(submission, lambda outcome: response_body(head, outcome))

    async def _submission(
        self, asked: ResponsesRequest, request: web.Request, words: Provenance
    ) -> Submission:
        tools = client_tools(asked.tools, asked.tool_choice)
        session = await self._session(asked, request)
        said, system = await conversation(asked.input, self._door.files())
        question = cut(said, field="input")
        if asked.previous_response_id and question.earlier:
            raise Refused(
                "input: with previous_response_id send only what is new, without earlier answers"
            )
        return self._door.submission(
            session, question, tools, asked.instructions, system, words=words
        )

    async def _session(
        self, asked: ResponsesRequest, request: web.Request
    ) -> tuple[AgentId, SessionKey]:
        agent_id = self._door.agent(asked.model, request.headers)
        if asked.previous_response_id:
            key = await self._continued(asked.previous_response_id)
            return agent_of(key, default=agent_id), key
        return self._door.session(request.headers, agent_id, asked.user, kind="openresponses")

    async def _continued(self, response_id: str) -> SessionKey:
        run_id = RunId(response_id.removeprefix(_ID_HEAD))
        key = await self._answers.session_of(run_id) if len(response_id) < _MAX_ID else None
        if key is None:
            raise Refused(
                "previous_response_id: no such answer is kept here any more: send the whole "
                "conversation as input"
            )
        if not await self._answers.is_latest(key, run_id):
            raise Refused(
                "previous_response_id: the conversation has gone on since: name its last answer, "
                "or send the whole conversation as input"
            )
        return key
