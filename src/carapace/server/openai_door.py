"""How a program that speaks to OpenAI's API comes to a turn of an agent, and to its answer.

Both chat endpoints go through here: a credential that may write, a body, an agent and a
session, one submission, and the answer whole or as a stream.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from aiohttp import web

from carapace.agent.types import RunOutcome, Submission, words_of
from carapace.ids import AgentId, RunId, SessionKey, new_id
from carapace.provenance import Authority, Origin, Provenance
from carapace.server.http_access import HttpAccess
from carapace.server.http_errors import error_response, json_response, read_body
from carapace.server.http_runs import EventWords, run_to_end, stream_run
from carapace.server.openai_conversation import Asked, ClientTools, choose_agent, session_for
from carapace.server.openai_files import PromptFiles
from carapace.server.openai_wire import failure_of, obeyed
from carapace.server.ports import ChatModels, ChatRuns
from carapace.value import Value

__all__ = ["PROGRAM", "OpenAiDoor", "Taken"]

PROGRAM: Final = Provenance(origin=Origin.HTTP, authority=Authority.OWNER)
"""Whose words a request holds, if its credential has every scope."""

_METHOD: Final = "agent"
"""The method whose scope a request needs: it starts a turn as that does."""


class Taken(Value, frozen=True):
    """A request that may start a turn: its body, and whose words that holds."""

    body: bytes
    words: Provenance


class OpenAiDoor:
    """What an endpoint needs to turn a request into an answer.

    Args:
        runs: The agent.
        models: Which agents there are.
        to_key: A session's key as it is stored.
        access: Judges the credential.
        files: Makes what brings the files of one request.
        max_body_bytes: Longest body.
    """

    def __init__(
        self,
        runs: ChatRuns,
        *,
        models: ChatModels,
        to_key: Callable[[str], SessionKey],
        access: HttpAccess,
        files: Callable[[], PromptFiles],
        max_body_bytes: int,
    ) -> None:
        self._runs = runs
        self._models = models
        self._to_key = to_key
        self._access = access
        self._files = files
        self._max_body_bytes = max_body_bytes

    async def take(self, request: web.Request, *, deadline_s: float) -> Taken | web.Response:
        """The body and whose words it holds, or the refusal of a caller who may not start turns.

        Raises:
            GatewayError: If the body is too long or does not come in time.
        """
        caller = await self._access.caller(request, _METHOD)
        if isinstance(caller, web.Response):
            return caller
        max_bytes = self._max_body_bytes
        body = await read_body(request, max_bytes=max_bytes, deadline_s=deadline_s)
        return Taken(body, words_of(caller.scopes, PROGRAM))

    def files(self) -> PromptFiles:
        """What brings the files of one request."""
        return self._files()

    def agent(self, model: str, headers: Mapping[str, str]) -> AgentId:
        """Who answers.

        Raises:
            Refused: If there is no such agent.
        """
        return choose_agent(model, headers, self._models.agent_ids())

    def session(
        self, headers: Mapping[str, str], agent_id: AgentId, user: str | None, *, kind: str
    ) -> tuple[AgentId, SessionKey]:
        """Which session a request is for, and whose that is (`session_for`).

        Raises:
            Refused: If the key is broken, or of an agent that is not there.
        """
        return session_for(
            headers,
            agent_id,
            user,
            kind=kind,
            to_key=self._to_key,
            agent_ids=self._models.agent_ids(),
        )

    @staticmethod
    def submission(
        session: tuple[AgentId, SessionKey],
        question: Asked,
        tools: ClientTools,
        *prompts: str | None,
        words: Provenance,
    ) -> Submission:
        """What the agent is asked.

        Args:
            session: Whose, and which.
            question: What was said.
            tools: What the program can run itself.
            prompts: What else the model is told; blank ones are left out.
            words: Whose words they are.
        """
        agent_id, session_key = session
        told = "\n\n".join(part for part in (*prompts, tools.instruction) if part)
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
            forced_call=tools.forced,
            extra_system_prompt=told or None,
            provenance=words,
        )

    async def stream(
        self, request: web.Request, submission: Submission, words: EventWords
    ) -> web.StreamResponse:
        """The answer as it comes, in the endpoint's events.

        Raises:
            Refused: If the turn is not taken; nothing was sent then.
        """
        return await stream_run(request, self._runs, submission, _Judged(words, submission))

    async def answer(
        self, submission: Submission, body: Callable[[RunOutcome], object]
    ) -> web.Response:
        """The whole answer, in the endpoint's body; an error's status if there is none.

        Raises:
            Refused: If the turn is not taken.
            Failed: If it takes too long.
        """
        outcome = obeyed(submission, await run_to_end(self._runs, submission))
        failure = failure_of(outcome)
        return error_response(*failure) if failure else json_response(body(outcome))


class _Judged:
    """An endpoint's events, where a forced call that did not come is an error at the end."""

    def __init__(self, words: EventWords, submission: Submission) -> None:
        self._words = words
        self._submission = submission

    def begin(self) -> bytes:
        """See `EventWords`."""
        return self._words.begin()

    def text(self, more: str) -> bytes:
        """See `EventWords`."""
        return self._words.text(more)

    def end(self, outcome: RunOutcome | None) -> bytes:
        """See `EventWords`."""
        return self._words.end(outcome and obeyed(self._submission, outcome))
