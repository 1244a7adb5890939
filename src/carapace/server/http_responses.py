"""`POST /v1/responses`, for programs that speak to OpenAI's newer API.

An answer is a run, and its id names it: a request that names it as `previous_response_id` goes
on in the same session, as long as nothing else has been said there since. Otherwise it would
stand on words that the program has never seen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from aiohttp import web

from carapace.agent.types import Submission
from carapace.clock import Clock
from carapace.errors import Refused
from carapace.ids import AgentId, RunId, SessionKey, new_id
from carapace.server.http_access import HttpAccess
from carapace.server.http_errors import error_response, json_response, read_body
from carapace.server.http_openai import PROGRAM
from carapace.server.http_runs import run_to_end, stream_run
from carapace.server.openai_conversation import choose_agent, client_tools, cut, session_for
from carapace.server.openai_files import PromptFiles
from carapace.server.openai_wire import failure_of
from carapace.server.ports import Answers, ChatModels, ChatRuns
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
        runs: The agent.
        answers: Which session an earlier answer is the end of.
        models: Which agents there are.
        to_key: A session's key as it is stored.
        access: Judges the credential.
        files: Makes what brings the files of one request.
        max_body_bytes: Longest body.
        clock: For `created_at`.
    """

    def __init__(
        self,
        runs: ChatRuns,
        *,
        answers: Answers,
        models: ChatModels,
        to_key: Callable[[str], SessionKey],
        access: HttpAccess,
        files: Callable[[], PromptFiles],
        max_body_bytes: int,
        clock: Clock,
    ) -> None:
        self._runs = runs
        self._answers = answers
        self._models = models
        self._to_key = to_key
        self._access = access
        self._files = files
        self._max_body_bytes = max_body_bytes
        self._clock = clock

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Serve it."""
        router.add_post("/v1/responses", self.respond)

    async def respond(self, request: web.Request) -> web.StreamResponse:
        """Answer, whole or as a stream."""
        caller = await self._access.caller(request, "agent")
        if isinstance(caller, web.Response):
            return caller
        body = await read_body(request, max_bytes=self._max_body_bytes, deadline_s=_BODY_DEADLINE_S)
        asked = decode_request(body)
        submission = await self._submission(asked, request)
        head = ResponseHead(
            submission.run_id,
            asked.model,
            self._clock.now_ms() // 1000,
            asked.previous_response_id,
        )
        if asked.stream:
            return await stream_run(request, self._runs, submission, ResponseEvents(head))
        outcome = await run_to_end(self._runs, submission)
        failure = failure_of(outcome)
        return error_response(*failure) if failure else json_response(response_body(head, outcome))

    async def _submission(self, asked: ResponsesRequest, request: web.Request) -> Submission:
        tools = client_tools(asked.tools, asked.tool_choice)
        agent_id, session_key = await self._session(asked, request)
        said, system = await conversation(asked.input, self._files())
        question = cut(said, field="input")
        if asked.previous_response_id and question.earlier:
            raise Refused(
                "input: with previous_response_id send only what is new, without earlier answers"
            )
        parts = (asked.instructions, system, tools.instruction)
        return Submission(
            run_id=RunId(new_id()),
            session_key=session_key,
            shown_key=session_key,
            agent_id=agent_id,
            message=question.message,
            images=question.images,
            earlier=question.earlier,
            tool_results=question.tool_results,
            client_tools=tools.specs,
            extra_system_prompt="\n\n".join(part for part in parts if part) or None,
            provenance=PROGRAM,
        )

    async def _session(
        self, asked: ResponsesRequest, request: web.Request
    ) -> tuple[AgentId, SessionKey]:
        agent_id = choose_agent(asked.model, request.headers, self._models.agent_ids())
        if asked.previous_response_id:
            key = await self._continued(asked.previous_response_id)
            return agent_of(key, default=agent_id), key
        return session_for(
            request.headers,
            agent_id,
            asked.user,
            kind="openresponses",
            to_key=self._to_key,
            agent_ids=self._models.agent_ids(),
        )

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
