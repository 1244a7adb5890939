"""`ExecService`: looks at commands for whoever decides, and runs exactly what was allowed."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from carapace.agent.exec.environment import child_environment
from carapace.agent.exec.keeping import Fence
from carapace.agent.exec.looking import Look, look_at
from carapace.agent.exec.processes import Child, Processes
from carapace.agent.exec.types import OpenCommand
from carapace.agent.tools.registry import ToolTrouble
from carapace.config.settings.agent_exec import AgentExec
from carapace.config.settings.exec import ExecSettings
from carapace.confine import can_fence
from carapace.ids import AgentId, SessionKey
from carapace.value import Value

__all__ = ["MAX_TIMEOUT_S", "ExecParams", "ExecService", "Variables"]

Variables = Callable[[AgentId, str], Awaitable[Mapping[str, str]]]
"""What a program is given beside the usual, by its name: the keys of skills that need it."""

MAX_TIMEOUT_S: Final = 3_600
_MB: Final = 1 << 20
_STALE: Final = (
    "approval_stale: what would run now is not what was allowed: the program, a file it is given, "
    "the folder or a setting was changed in between. Nothing was run. Call it again."
)


class ExecParams(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Arguments of `exec`."""

    argv: Annotated[
        tuple[Annotated[str, Meta(max_length=16_384)], ...],
        Meta(
            min_length=1,
            max_length=256,
            description="The program and its arguments, each an item of its own: no shell reads "
            "them, so quotes, $, | and > mean nothing.",
        ),
    ]
    workdir: (
        Annotated[str, Meta(max_length=4_096, description="Folder inside the workspace.")] | None
    ) = None
    timeout: (
        Annotated[int, Meta(ge=1, le=MAX_TIMEOUT_S, description="Seconds it may take.")] | None
    ) = None
    background: Annotated[
        bool, Meta(description="Answer at once with a process id; see the tool process.")
    ] = False


class _Place(Value, frozen=True, kw_only=True):
    """Where commands of the gateway live.

    Attributes:
        state_dir: Ours; no command may write there.
        home: Of the user.
        environ: Our environment.
    """

    state_dir: Path
    home: Path | None
    environ: Mapping[str, str]


class ExecService:
    """Commands of agents.

    Args:
        processes: Runs them.
        settings: `tools.exec`.
        workspace_of: The folder of an agent.
        state_dir: Ours; no command may write there.
        home: Of the user.
        environ: Our environment.
        is_fence_there: Whether this system can fence commands in.
        variables: See `Variables`.
        own_of: What an agent's commands may do, within `settings`.
    """

    def __init__(
        self,
        processes: Processes,
        settings: ExecSettings,
        *,
        workspace_of: Callable[[AgentId], Path],
        state_dir: Path,
        home: Path | None = None,
        environ: Mapping[str, str] = os.environ,
        is_fence_there: Callable[[], bool] = can_fence,
        variables: Variables | None = None,
        own_of: Callable[[AgentId], AgentExec] = lambda _: AgentExec(),
    ) -> None:
        self.processes = processes
        self.settings = settings
        self._workspace_of = workspace_of
        self._place = _Place(state_dir=state_dir, home=home, environ=environ)
        self._is_fence_there = is_fence_there
        self._variables = variables
        self.own_of = own_of

    def apply(self, settings: ExecSettings) -> None:
        """Go by these settings from now on; what runs goes on."""
        self.settings = settings

    async def look(self, params: ExecParams, agent_id: AgentId) -> OpenCommand:
        """The command as it would run now; close it.

        Raises:
            ToolTrouble: If it cannot run here at all.
        """
        fence = self._fence(agent_id)
        if not hasattr(os, "killpg"):
            raise ToolTrouble(
                "this system cannot run commands for agents: it has no process groups"
            )
        if fence.is_on and not self._is_fence_there():
            raise ToolTrouble(
                "this system cannot fence commands in (Linux with Landlock can), so none is run. "
                "The operator may set tools.exec.sandbox to off, which lets them reach everything."
            )
        look = Look(
            root=self._workspace_of(agent_id),
            state_dir=self._place.state_dir,
            home=self._place.home,
            env={
                **await self._given(params.argv[0], agent_id),
                **child_environment(self._place.environ, self.settings.path_prepend),
            },
            fence=fence.text,
        )
        seen = asyncio.get_running_loop().run_in_executor(
            None, look_at, params.argv, params.workdir, look
        )
        try:
            return await asyncio.shield(seen)
        except asyncio.CancelledError:
            seen.add_done_callback(_let_go)
            raise

    async def run(
        self, params: ExecParams, *, agent_id: AgentId, session_key: SessionKey, approved: str
    ) -> Child:
        """Run a command, to its end or in the background.

        Args:
            params: What to run.
            agent_id: Whose workspace.
            session_key: Who may see it.
            approved: Digest of what was allowed; anything else is not run.

        Raises:
            ToolTrouble: If it is not run.
        """
        opened = await self.look(params, agent_id)
        if not approved or opened.command.digest != approved:
            opened.close()
            raise ToolTrouble(_STALE)
        timeout_s = self._timeout_s(params, agent_id)
        child = self.processes.start(
            opened, self._fence(agent_id), session_key, timeout_s=timeout_s
        )
        if not params.background:
            try:
                await child.kept.ended.wait()
            except asyncio.CancelledError:
                await self.processes.end(child)
                raise
        return child

    async def _given(self, program: str, agent_id: AgentId) -> Mapping[str, str]:
        """A path may name anything, also what an agent wrote: only bare names are given more."""
        if self._variables is None or "/" in program:
            return {}
        return await self._variables(agent_id, program)

    def _timeout_s(self, params: ExecParams, agent_id: AgentId) -> int:
        """What the model asked for, or else what the settings say; an agent's own is a cap."""
        wanted = params.timeout or self.settings.timeout_sec
        own = self.own_of(agent_id).timeout_sec
        most = MAX_TIMEOUT_S if own is None else min(own, self.settings.timeout_sec)
        return min(wanted, most)

    def _fence(self, agent_id: AgentId) -> Fence:
        settings = self.settings
        return Fence(
            is_on=settings.sandbox == "required",
            workspace=Path(os.path.realpath(self._workspace_of(agent_id))),
            readable=settings.read_paths,
            network=settings.network,
            max_memory_bytes=settings.max_memory_mb * _MB,
        )


def _let_go(seen: asyncio.Future[OpenCommand]) -> None:
    """Nobody waits for the look any more."""
    if not seen.cancelled() and seen.exception() is None:
        seen.result().close()
