"""The tools that need rooms which are built after the registry of tools."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import chain

from carapace.agent.approval import Approvals
from carapace.agent.profiles import Profiles
from carapace.agent.service import AgentService
from carapace.agent.tools.agents import AgentsTool
from carapace.agent.tools.files.tools import FileTools
from carapace.agent.tools.image import ImageTool
from carapace.agent.tools.invoke import ToolInvoker
from carapace.agent.tools.memory_store import MemoryStore
from carapace.agent.tools.message import MessageTool
from carapace.agent.tools.runner import ToolRunner
from carapace.agent.tools.session_messages import SessionsSendTool
from carapace.agent.tools.web.fetch import WebFetchTool
from carapace.agent.tools.web.search import WebSearchTool
from carapace.agent.understanding.child import ChildReader
from carapace.agent.understanding.links import LinkReader
from carapace.app.chats import ChatsIn
from carapace.app.files import Files
from carapace.clock import Clock
from carapace.config.settings import Settings
from carapace.media.types import MediaItem, MediaKind
from carapace.net.client import Egress
from carapace.sessions.service import Sessions
from carapace.sessions.types import SessionPolicy

__all__ = ["open_agent_tools"]


def open_agent_tools(
    tools: ToolRunner,
    settings: Callable[[], Settings],
    *,
    agent: AgentService,
    approvals: Approvals,
    sessions: Sessions,
    policy: Callable[[], SessionPolicy],
    memory: MemoryStore,
    profiles: Profiles,
    messages: ChatsIn,
    files: Files,
    egress: Egress,
    variables: Callable[[], Mapping[str, str]],
    add_secret: Callable[[str], None],
    clock: Clock,
) -> ToolInvoker:
    """Add them to the registry; returns what calls tools for programs.

    Args:
        tools: The registry, with its lists and rules.
        settings: The configuration as it is now.
        agent: Answers messages of one session to another.
        approvals: Decides about messages to where the agent does not speak yet.
        sessions: The conversations.
        policy: What sessions take from the configuration.
        memory: What agents remember.
        profiles: The agents, and where their workspaces are.
        messages: The chat services and the outbox.
        files: Takes in and fetches files, and looks at pictures.
        egress: The way out.
        variables: Where keys are looked for that no setting names.
        add_secret: Keeps a key out of the log.
        clock: The time.
    """

    async def fetch_picture(url: str) -> MediaItem:
        return await files.fetcher.fetch(url, accept=frozenset({MediaKind.IMAGE}))

    child = ChildReader()
    parts = (
        FileTools(lambda agent_id: profiles.get(agent_id).workspace.root),
        ImageTool(
            lambda agent_id: profiles.get(agent_id).workspace.root,
            files.store,
            fetch_picture,
            files.understanding,
        ),
        WebFetchTool(
            lambda: settings().tools.web.fetch,
            lambda hosts: LinkReader(egress, child, hosts=hosts),
        ),
        WebSearchTool(
            lambda: settings().tools.web.search,
            egress,
            variables=variables,
            add_secret=add_secret,
        ),
        MessageTool(
            messages.accounts,
            messages.outbox,
            render=messages.render,
            fetch_file=files.fetch,
            ask=approvals.permit,
            send_policy=lambda: policy().send_policy,
        ),
        SessionsSendTool(agent),
        AgentsTool(lambda: settings().agents.list),
    )
    tools.add(*chain.from_iterable(part.tools().values() for part in parts))
    return ToolInvoker(tools, sessions=sessions, memory=memory, profiles=profiles, clock=clock)
