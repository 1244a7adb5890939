"""Files, access and answers as the OpenAI endpoints see them, scripted."""

from __future__ import annotations

from typing import Any

from carapace.agent.providers.ports import ImagePart
from carapace.errors import Refused
from carapace.ids import RunId, SessionKey
from carapace.protocol.registry import EmptyParams, Methods
from carapace.protocol.scopes import Scope
from carapace.server.http_access import HttpAccess
from carapace.server.openai_files import FileSource

__all__ = ["KnownAnswers", "ScriptedFiles", "access", "twins"]


class ScriptedFiles:
    """Satisfies `PromptFiles`: says what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[FileSource] = []

    async def image(self, source: FileSource) -> ImagePart:
        self.asked.append(source)
        if source.url == "https://private/":
            raise Refused("a private address")
        return ImagePart("image/png", source.url or source.data or "")

    async def text(self, source: FileSource) -> str:
        self.asked.append(source)
        return f"<{source.filename}>"


class KnownAnswers:
    """Satisfies `Answers`: knows one run."""

    def __init__(self) -> None:
        self.latest = RunId("known")

    async def session_of(self, run_id: RunId) -> SessionKey | None:
        return SessionKey("agent:work:kept") if run_id in ("known", "older") else None

    async def is_latest(self, session_key: SessionKey, run_id: RunId) -> bool:
        return run_id == self.latest


def twins() -> Methods:
    """The rows that HTTP endpoints are twins of."""
    methods = Methods()

    @methods.method("agent", scope=Scope.WRITE)
    def agent(ctx: Any, params: EmptyParams) -> None:
        """A turn."""

    for name in ("models.list", "agents.list", "node.list", "agent.identity.get"):

        @methods.method(name, scope=Scope.READ)
        def read(ctx: Any, params: EmptyParams) -> None:
            """Something to look at."""

    return methods


def access(server: Any, admitter: Any) -> HttpAccess:
    """Judges bearers as the server does."""
    return HttpAccess(admitter, origin_of=server.guard.origin, methods=twins())
