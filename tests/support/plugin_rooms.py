"""The rooms that plugins are put into, real but for the host: its guests are scripted."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from carapace.agent.approval import Approvals, DenyAll
from carapace.agent.tools.builtin import builtin_tools
from carapace.agent.tools.runner import ToolRunner
from carapace.agent.types import Submission
from carapace.app.plugin_bridge import PluginRooms
from carapace.app.plugin_doors import ChannelDoor, PluginTurns
from carapace.channels.accounts.service import Accounts
from carapace.config.catalogue import catalogue
from carapace.config.others import fold
from carapace.config.settings import Settings
from carapace.errors import Refused
from carapace.hooks.bus import HookBus
from carapace.ids import AgentId
from carapace.plugins.package.installed import InstalledPlugin
from carapace.plugins.package.manifest import parse_manifest
from carapace.sessions.keys import canonical
from carapace.triggers.plugin_webhooks import PluginWebhooks
from support.egress import make_egress
from support.packages import manifest_text
from support.plugin_channel import ABOUT
from support.recording_channel import RecordingIntake
from support.scripted_host import ScriptedHost
from support.server import TOKEN
from support.webhooks import KernelRig, kernel_rig

__all__ = ["ALL_ROLES", "PluginRoomsRig", "installed", "plugin_rooms", "settings_of"]

ALL_ROLES = ("channel", "webhook", "tool", "service", "hooks", "setup")
PERMISSIONS = """
credentials = ["botToken"]
hooks = ["message_sending"]
inbound = true
timers = true
agent = true
media = true
kv_max_bytes = 65536
"""


def settings_of(**plain: Any) -> Settings:
    """Settings as a file has them."""
    return msgspec.convert(fold(catalogue(), plain), Settings)


def installed(
    version: str = "1.0.0",
    *,
    roles: tuple[str, ...] = ALL_ROLES,
    plugin_id: str = "parrot",
    permissions: str = PERMISSIONS,
) -> InstalledPlugin:
    """A verified plugin; its component is never read."""
    text = manifest_text(plugin_id=plugin_id, version=version, roles=roles, permissions=permissions)
    return InstalledPlugin(
        manifest=parse_manifest(text.encode()),
        digest=version,
        wasm=Path("plugin.wasm"),
        wasm_sha256="00" * 32,
        is_signed=True,
    )


class NoMedia:
    """A media store that has nothing."""

    def __getattr__(self, name: str) -> Any:
        raise Refused("there is no such file")


@dataclass
class Runs:
    """The agent, as far as plugins reach it."""

    accepted: list[Submission] = field(default_factory=list)

    async def accept(self, submission: Submission) -> Any:
        self.accepted.append(submission)


@dataclass
class PluginRoomsRig:
    """The rooms and what is in them."""

    rooms: PluginRooms
    host: ScriptedHost
    kernel: KernelRig
    intake: RecordingIntake
    runs: Runs
    settings: Settings
    secrets: list[str]
    changes: list[None]

    def script(self, version: str = "1.0.0", plugin_id: str = "parrot") -> None:
        """A guest of every role that says that it is this version."""
        answers: dict[str, Callable[..., Any]] = {
            "manifest.describe": lambda: {"id": plugin_id, "version": version},
            "channel.describe": lambda: ABOUT,
            "channel.start": lambda account, settings: None,
            "channel.stop": lambda account: None,
            "tool.definitions": lambda: [
                {
                    "name": "squawk",
                    "description": f"Squawks as {version}.",
                    "schema": '{"type": "object"}',
                    "risk": "read",
                }
            ],
            "tool.invoke": lambda name, parameters: f"{name} {version}",
            "webhook.handle": lambda request: {
                "status": 200,
                "headers": [],
                "body": {"tag": "text", "value": version},
            },
            "service.start": lambda: None,
            "service.stop": lambda: None,
            "service.tick": lambda now_ms: None,
            "service.health": lambda: None,
            "hooks.points": lambda: ["message_sending"],
            "hooks.on-hook": lambda point, event: None,
        }
        self.host.scripts.update(answers)


@asynccontextmanager
async def plugin_rooms(folder: Path, **plain: Any) -> AsyncGenerator[PluginRoomsRig]:
    """Everything real but the host, the media store and the agent."""
    async with kernel_rig() as kernel:
        egress, trail = make_egress(folder)
        bus = HookBus(kernel.clock, kernel.metrics)
        intake, runs, host = RecordingIntake(), Runs(), ScriptedHost()
        changes: list[None] = []
        secrets: list[str] = []
        accounts = Accounts(intake, clock=kernel.clock, on_change=lambda: changes.append(None))
        tools = ToolRunner(
            builtin_tools(),
            Approvals(DenyAll()),
            audit=trail.audit,
            metrics=kernel.metrics,
            hooks=bus,
        )
        rig: PluginRoomsRig

        async def read_media(handle: str) -> bytes:
            raise Refused("there is no such file")

        rooms = PluginRooms(
            settings=lambda: rig.settings,
            host=host,
            database=kernel.database,
            clock=kernel.clock,
            egress=egress,
            media=NoMedia(),  # pyright: ignore[reportArgumentType] - refuses everything
            tools=tools,
            accounts=accounts,
            channels=ChannelDoor(),
            webhooks=PluginWebhooks(
                kernel.kernel, read_media=read_media, is_own_secret=lambda value: value == TOKEN
            ),
            hook_bus=bus,
            turns=lambda plugin_id: PluginTurns(
                plugin_id, runs, to_key=canonical, agent_id=lambda: AgentId("main")
            ),
            add_secret=secrets.append,
            on_change=lambda: changes.append(None),
        )
        rig = PluginRoomsRig(
            rooms, host, kernel, intake, runs, settings_of(**plain), secrets, changes
        )
        rig.script()
        try:
            yield rig
        finally:
            await accounts.aclose()
            await bus.aclose()
            trail.audit.close()
