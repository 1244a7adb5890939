"""What the access service takes and gives: settings, replies to strangers, decisions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from carapace.channels.access.pairing_texts import APPROVED
from carapace.channels.access.records import AllowedSender
from carapace.channels.accounts.settings import Branch, branches
from carapace.channels.types import Target
from carapace.config.settings.channels import ChannelDefaults, ChannelsSettings
from carapace.config.settings.commands import CommandsSettings
from carapace.config.settings.messages import MessagesSettings
from carapace.provenance import Authority
from carapace.value import Value

__all__ = ["AccessSettings", "Approved", "Approver", "CommandAnswer", "PairingReply"]


class AccessSettings(Value, frozen=True, kw_only=True):
    """What the settings say about people.

    Attributes:
        channels: By id; a channel that is not here is turned off.
    """

    defaults: ChannelDefaults = msgspec.field(default_factory=ChannelDefaults)
    channels: Mapping[str, Branch]
    messages: MessagesSettings = msgspec.field(default_factory=MessagesSettings)
    commands: CommandsSettings = msgspec.field(default_factory=CommandsSettings)

    @staticmethod
    def of(
        channels: ChannelsSettings, messages: MessagesSettings, commands: CommandsSettings
    ) -> AccessSettings:
        """The same, from the branches of the tree of settings."""
        return AccessSettings(
            defaults=channels.defaults,
            channels=branches(channels),
            messages=messages,
            commands=commands,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PairingReply:
    """What to do about a stranger.

    Attributes:
        code: None if too many wait, or if they were let in meanwhile.
        created: They were not told yet; say `text` to them, once.
        is_allowed: They were let in meanwhile; judge the message again after `requested`.
        text: Empty without a code.
    """

    code: str | None = field(repr=False)
    created: bool
    is_allowed: bool = False
    text: str = field(default="", repr=False)


class Approver(Value, frozen=True, kw_only=True):
    """Who decides about strangers.

    Attributes:
        name: For the trail: an operator's device, or `channel:id`.
        authority: Of the connection or the message by which they decide, at that moment (E11).
    """

    name: str
    authority: Authority


class Approved(Value, frozen=True, kw_only=True):
    """Somebody was let in.

    Attributes:
        target: Where they wait for an answer.
        note: What to tell them there.
    """

    sender: AllowedSender
    target: Target
    note: str = APPROVED


class CommandAnswer(Value, frozen=True, kw_only=True):
    """The answer to `/approve` or `/reject`.

    Attributes:
        text: For who typed it.
        approved: Somebody to be told, if there is one.
    """

    text: str
    approved: Approved | None = None
