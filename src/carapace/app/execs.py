"""Commands that agents run: who is asked about them, and what runs them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from carapace.agent.approval import Approvals, ToolPolicy
from carapace.agent.exec.approver import EXEC_TOOL, PROCESS_TOOL, PersonApprover, TellOwner
from carapace.agent.exec.book import ApprovalsBook
from carapace.agent.exec.chat_answer import settle
from carapace.agent.exec.pending import PendingApprovals
from carapace.agent.exec.processes import Processes
from carapace.agent.exec.service import ExecService, Variables
from carapace.agent.profiles import Profiles
from carapace.agent.tools.exec import exec_tools
from carapace.agent.tools.process import process_tools
from carapace.agent.tools.registry import Tools
from carapace.agent.tools.runner import ToolRunner
from carapace.app.chats import ChatsIn
from carapace.auth.types import Caller
from carapace.channels.types import Outgoing, Target
from carapace.clock import Clock
from carapace.config.settings.exec import ExecSettings
from carapace.confine import can_fence
from carapace.ids import new_id
from carapace.protocol.events import Publish
from carapace.protocol.scopes import Role, Scope
from carapace.provenance import OWNER, Authority, Origin, Provenance
from carapace.sessions.service import Sessions
from carapace.store.ports import Database
from carapace.telemetry.audit import Audit
from carapace.telemetry.log import get_logger
from carapace.value import Value

__all__ = ["Execs", "exec_policy", "open_execs", "tell_owner", "warn"]

_log = get_logger(__name__)
_COMMANDS: Final = frozenset({EXEC_TOOL, PROCESS_TOOL})


class Execs(Value, frozen=True, kw_only=True):
    """The parts.

    Attributes:
        book: What needs no asking.
        pending: What waits for a person.
        service: Runs commands.
        approvals: Decides about every use of a tool.
        tools: What models are offered of it.
    """

    book: ApprovalsBook
    pending: PendingApprovals
    service: ExecService
    approvals: Approvals
    tools: Tools

    def apply(self, settings: ExecSettings, runner: ToolRunner) -> None:
        """Go by these settings from now on."""
        if settings != self.service.settings:
            warn(settings)
        self.service.apply(settings)
        runner.apply(exec_policy(settings))

    def settle(self, rest: str, words: Provenance) -> str | None:
        """What follows `/approve` in a chat; see `chat_answer.settle`."""
        return settle(self.pending, rest, words)


def exec_policy(settings: ExecSettings) -> ToolPolicy:
    """Where no command may run, no model is offered any."""
    return ToolPolicy(deny=_COMMANDS if settings.security == "deny" else frozenset())


def warn(settings: ExecSettings, is_fence_there: Callable[[], bool] = can_fence) -> None:
    """Tell the log what in these settings an operator may not expect."""
    if settings.security == "deny":
        return
    if settings.sandbox == "off":
        _log.warning(
            "commands of agents are not fenced in: they can do what this user can do; to fence "
            "them in, set tools.exec.sandbox to required"
        )
    elif not is_fence_there():
        _log.warning(
            "commands of agents are allowed but none will run: this system cannot fence them in "
            "(Linux with Landlock can); see tools.exec.sandbox"
        )


def open_execs(
    settings: ExecSettings,
    *,
    database: Database,
    state_dir: Path,
    profiles: Profiles,
    sessions: Sessions,
    chats: Callable[[], ChatsIn | None],
    callers: Callable[[], Iterable[Caller]],
    publish: Publish,
    environment: Mapping[str, str],
    clock: Clock,
    audit: Audit,
    stack: AsyncExitStack,
    variables: Variables | None = None,
) -> Execs:
    """Build them; commands that run are ended with `stack`.

    Args:
        settings: `tools.exec`.
        database: Keeps the approvals document.
        state_dir: Ours.
        profiles: Whose workspaces.
        sessions: What they say for themselves.
        chats: Where owners can be asked on chat services, once that is built.
        callers: Who is connected.
        publish: Reaches operators.
        environment: Ours.
        clock: The time.
        audit: Hears of changes and decisions.
        stack: Closes what has to be closed.
        variables: What programs are given beside the usual.
    """
    warn(settings)
    folder = state_dir / "exec"
    shutil.rmtree(folder, ignore_errors=True)  # of commands that a crash cut
    processes = Processes(folder, clock)
    stack.push_async_callback(processes.aclose)
    home = environment.get("HOME")
    service = ExecService(
        processes,
        settings,
        workspace_of=lambda agent_id: profiles.get(agent_id).workspace.root,
        state_dir=state_dir,
        home=Path(home) if home else None,
        environ=environment,
        variables=variables,
        own_of=lambda agent_id: profiles.get(agent_id).exec,
    )
    book = ApprovalsBook(database, clock, audit=audit, path=state_dir / "carapace.db")
    pending = PendingApprovals(publish, clock)
    approver = PersonApprover(
        book=book,
        pending=pending,
        service=service,
        entry_of=sessions.get,
        can_answer=lambda: any(_may_decide(one) for one in callers()),
        tell_owner=tell_owner(chats),
        audit=audit,
    )
    return Execs(
        book=book,
        pending=pending,
        service=service,
        approvals=Approvals(approver, policy=exec_policy(settings)),
        tools=exec_tools(service).merge(process_tools(processes)),
    )


def _may_decide(caller: Caller) -> bool:
    return caller.role is Role.OPERATOR and Scope.APPROVALS in caller.scopes


def tell_owner(chats: Callable[[], ChatsIn | None]) -> TellOwner:
    """Asks the owner where the owner wrote from, if that was a chat service."""

    async def tell(words: Provenance, text: str) -> bool:
        found = chats()
        is_owner = words.origin is Origin.CHANNEL and words.authority is Authority.OWNER
        if found is None or not is_owner or not (words.channel and words.conversation):
            return False
        account = words.account or ""
        if found.accounts.get(words.channel, account) is None:
            return False
        target = Target(channel=words.channel, account=account, conversation=words.conversation)
        outgoing = Outgoing(target=target, idempotency_key=f"approval-{new_id()}", text=text)
        await found.outbox.put(outgoing, provenance=OWNER)
        return True

    return tell
