"""The rooms of chat services for tests of methods: real ones, with a service in memory.

The channel's id is `webhook`, so that the settings of that branch count for it. Nothing is sent
unless a test runs a sender.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from carapace.app.chat_hooks import ChatHooks
from carapace.app.chats import ChatsIn, open_chats
from carapace.app.observing import Observing
from carapace.channels.intake import KeepMedia
from carapace.channels.types import ChatType, Conversation, InboundMessage, Sender
from carapace.config.paths import PathFlags, resolve_paths
from carapace.config.settings import Settings
from carapace.config.settings.channels import ChannelsSettings, WebhookSettings
from carapace.config.settings.logging import LoggingSettings
from carapace.hooks.bus import HookBus
from carapace.ids import AgentId, SessionKey
from support.agent_house import AgentHouse
from support.clock import FakeClock
from support.polling import until
from support.recording_channel import RECORDING_INFO, RecordingAccount, RecordingChannel

__all__ = ["ChatRooms", "from_anna", "open_chat_rooms"]

_SETTINGS = Settings(
    channels=ChannelsSettings(webhook=WebhookSettings(enabled=True, secret="x" * 32))
)


def from_anna(text: str = "hi", message_id: str = "m1") -> InboundMessage:
    """A direct message of somebody whom nobody knows."""
    return InboundMessage(
        channel="webhook",
        account="default",
        message_id=message_id,
        conversation=Conversation(id="anna-chat", chat_type=ChatType.DIRECT),
        sender=Sender(id="anna", display_name="Anna"),
        text=text,
    )


@dataclass
class ChatRooms:
    """The rooms, and the account that runs in them."""

    parts: ChatsIn
    account: RecordingAccount
    stopped: list[SessionKey]


async def open_chat_rooms(
    house: AgentHouse,
    clock: FakeClock,
    stack: AsyncExitStack,
    *,
    keep_media: KeepMedia = lambda tx, media_id, owner: None,
) -> ChatRooms:
    """Open them, and wait until the account runs."""
    stopped: list[SessionKey] = []

    async def stop_runs(key: SessionKey) -> int:
        stopped.append(key)
        return 1

    observing = _observing(house.folder / "chats", clock)
    stack.callback(observing.close)
    bus = HookBus(clock, observing.metrics)
    stack.push_async_callback(bus.aclose)
    parts = await open_chats(
        lambda: _SETTINGS,
        agent_id=AgentId("main"),
        database=house.database,
        keep_media=keep_media,
        release_media=lambda tx, owner: None,
        hooks=ChatHooks(bus),
        stop_runs=stop_runs,
        activation=house.sessions.activations.of,
        on_change=lambda: None,
        clock=clock,
        observing=observing,
    )
    channel = RecordingChannel(replace(RECORDING_INFO, id="webhook", label="Webhook"))
    parts.accounts.add(channel)
    parts.apply(_SETTINGS, AgentId("main"))
    stack.push_async_callback(parts.accounts.aclose)
    stack.push_async_callback(parts.inbox.aclose)
    await until(lambda: parts.accounts.get("webhook", "default"))
    return ChatRooms(parts, channel.accounts["default"], stopped)


def _observing(folder: Path, clock: FakeClock) -> Observing:
    paths = resolve_paths({}, PathFlags(state_dir=str(folder / "state")))
    paths.make_state_dir()
    return Observing.build(paths, LoggingSettings(), clock)
