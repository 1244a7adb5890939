"""`channels.*`: the chat services, who may speak on them, and how texts are cut for them.

Three levels, the nearer one wins: `channels.defaults`, the channel, and an account of it. Lists
of people stand at a channel or an account only, never in the defaults: an id means somebody
else on another service. A missing list means the documented default, an empty one nobody.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import msgspec

from carapace.config.secret_names import names_secret
from carapace.config.settings.net import ProxySettings
from carapace.config.settings.setting import Count, Name, PositiveInt, Section, setting
from carapace.config.settings.tool_lists import ToolList

__all__ = [
    "AccountSettings",
    "ChannelDefaults",
    "ChannelSettings",
    "ChannelsSettings",
    "ChunkMode",
    "DmPolicy",
    "GroupPolicy",
    "GroupSettings",
    "MarkdownSettings",
    "PluginAccountSettings",
    "PluginChannelSettings",
    "SenderEntry",
    "TableMode",
    "WebchatSettings",
    "WebhookAccount",
    "WebhookSettings",
]

DmPolicy = Literal["pairing", "allowlist", "open", "disabled"]
GroupPolicy = Literal["open", "allowlist", "disabled"]
ChunkMode = Literal["length", "newline"]
TableMode = Literal["off", "bullets", "code", "block"]
SenderEntry = str | int
"""A sender's id as its service writes it; some files of the Node gateway have numbers here."""

_ChannelId = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9-]{1,31}$(?!\n)")]
_Megabytes = Annotated[float, msgspec.Meta(gt=0)]


class MarkdownSettings(Section, frozen=True):
    """How Markdown is changed for a service."""

    tables: Annotated[
        TableMode | None,
        setting(
            "Tables become lists (`bullets`), preformatted text (`code`, `block`) or stay as "
            "they are (`off`). Without it: what suits the service.",
            live=True,
        ),
    ] = None


class GroupSettings(Section, frozen=True):
    """One group, room or team, or `*` for those not named."""

    enabled: Annotated[bool, setting("Listen there at all.", live=True)] = True
    require_mention: Annotated[
        bool | None, setting("Answer only when meant. Without it: as the channel.", live=True)
    ] = None
    allow_from: Annotated[
        tuple[SenderEntry, ...] | None,
        setting(
            "Ids of those who may speak there, or `*`. Without it: `groupAllowFrom`; and if that "
            "is missing too, all members of a group that is named here.",
            live=True,
        ),
    ] = None
    tools: Annotated[
        ToolList | None, setting("What is left of the agent's tools there.", live=True)
    ] = None


class ChannelDefaults(Section, frozen=True):
    """What holds for all channels unless they say otherwise."""

    dm_policy: Annotated[
        DmPolicy | None,
        setting(
            "Who may write directly: `pairing` asks strangers for a code that you approve, "
            "`allowlist` is those in `allowFrom` and those approved, `open` is everybody if "
            "`allowFrom` holds `*`, `disabled` is nobody. Without it: `pairing`.",
            live=True,
        ),
    ] = None
    group_policy: Annotated[
        GroupPolicy | None,
        setting(
            "Who may speak in groups: `allowlist` is the groups in `groups` and the people in "
            "`groupAllowFrom`, `open` is everybody in them, `disabled` is nobody. Without it: "
            "`allowlist`.",
            live=True,
        ),
    ] = None
    require_mention: Annotated[
        bool | None,
        setting(
            "Answer in groups only when meant: by mention, by reply or by a pattern in "
            "`messages.groupChat.mentionPatterns`. Without it: yes.",
            live=True,
        ),
    ] = None
    allow_bots: Annotated[
        bool | None, setting("Listen to other bots as to people. Without it: no.", live=True)
    ] = None
    history_limit: Annotated[
        Count | None,
        setting(
            "Group messages not meant for the assistant that are kept as context for the next "
            "one that is; 0 keeps none. Without it: `messages.groupChat.historyLimit`.",
            live=True,
        ),
    ] = None
    chunk_mode: Annotated[
        ChunkMode | None,
        setting(
            "Long answers are cut when the length is reached (`length`), or at every blank line "
            "(`newline`). Without it: `length`.",
            live=True,
        ),
    ] = None
    markdown: Annotated[MarkdownSettings | None, setting("How Markdown is changed.", live=True)] = (
        None
    )
    media_max_mb: Annotated[
        _Megabytes | None,
        setting(
            "Largest file that is taken in or sent, in megabytes. Without it: "
            "`agents.defaults.mediaMaxMb`.",
            live=True,
        ),
    ] = None
    streaming: Annotated[
        bool | None,
        setting(
            "Show the answer while it is written, on services that can change a message. "
            "Without it: no.",
            live=True,
        ),
    ] = None


class AccountSettings(ChannelDefaults, frozen=True):
    """What every account of every channel can say."""

    CREDENTIALS: ClassVar[tuple[str, ...]] = ()
    """Fields that an account never takes over from its channel."""

    enabled: Annotated[
        bool | None, setting("Whether it runs. Without it: yes, if it is set up.", live=True)
    ] = None
    name: Annotated[Name | None, setting("Name shown to people.", live=True)] = None
    allow_from: Annotated[
        tuple[SenderEntry, ...] | None,
        setting(
            "Ids of those who may write directly. Ids only, byte for byte: names never count. "
            "`*` counts only under `dmPolicy: open`.",
            live=True,
        ),
    ] = None
    group_allow_from: Annotated[
        tuple[SenderEntry, ...] | None,
        setting(
            "Ids of those who may speak in groups, or `*`. Without it: the ids in `allowFrom`; "
            "who was let in by pairing is never among them.",
            live=True,
        ),
    ] = None
    groups: Annotated[
        dict[Name, GroupSettings] | None,
        setting(
            "Groups by id, teams as `space:<id>`, `*` for the others. If it is given, groups "
            "that it does not name are ignored.",
            live=True,
        ),
    ] = None
    text_chunk_limit: Annotated[
        PositiveInt | None,
        setting("Longest text of one message. Without it: the service's limit.", live=True),
    ] = None
    response_prefix: Annotated[
        str | None,
        setting(
            "Put before every answer. Without it: `messages.responsePrefix`.",
            live=True,
        ),
    ] = None


class ChannelSettings(AccountSettings, frozen=True):
    """A channel without keys of its own; its accounts take over what they do not say."""

    accounts: Annotated[
        dict[Name, AccountSettings],
        setting("Accounts by name; without any there is one, `default`.", live=True),
    ] = msgspec.field(default_factory=dict[str, AccountSettings])


class WebchatSettings(ChannelSettings, frozen=True):
    """The gateway's own chat."""


class PluginAccountSettings(AccountSettings, frozen=True):
    """One account of a channel that a plugin brings."""

    proxy: Annotated[
        ProxySettings | None,
        setting(
            "The proxy of this account alone. Without it: the channel's, then `net.proxy`.",
            live=True,
        ),
    ] = None
    own: Annotated[
        dict[str, Any] | None,
        setting(
            "A setting of the plugin; its own documentation says which there are.",
            live=True,
            others=True,
        ),
    ] = None

    def credentials(self) -> frozenset[str]:
        """Names of its secrets: an account never takes these over from its channel."""
        return frozenset(name for name in self.own or () if names_secret(name))


class PluginChannelSettings(PluginAccountSettings, frozen=True):
    """A channel that a plugin brings: what all channels have, and its own settings beside."""

    accounts: Annotated[
        dict[Name, PluginAccountSettings],
        setting("Accounts by name; without any there is one, `default`.", live=True),
    ] = msgspec.field(default_factory=dict[str, PluginAccountSettings])


class WebhookAccount(AccountSettings, frozen=True):
    """One signed webhook in and out; see the how-to on the webhook channel."""

    CREDENTIALS: ClassVar[tuple[str, ...]] = ("secret", "callback_url", "callback_secret")

    secret: Annotated[
        str | None,
        setting(
            "Signs what comes in. Without one there is no such address.", live=True, secret=True
        ),
    ] = None
    callback_url: Annotated[Name | None, setting("Where answers are posted to.", live=True)] = None
    callback_secret: Annotated[
        str | None,
        setting("Signs what goes out. Without one: `secret`.", live=True, secret=True),
    ] = None
    allow_private: Annotated[
        bool | None,
        setting(
            "Whether `callbackUrl` may lead to a private or loopback address. Without it: yes, "
            "if it names such an address or `localhost` itself.",
            live=True,
        ),
    ] = None
    drops_repeats: Annotated[
        bool | None,
        setting(
            "The receiver drops a second post with the same `Idempotency-Key`, so a post whose "
            "answer was lost may be sent again. Without it: no.",
            live=True,
        ),
    ] = None


class WebhookSettings(WebhookAccount, frozen=True):
    """Chat for scripts: signed JSON in, signed JSON out."""

    accounts: Annotated[
        dict[Name, WebhookAccount],
        setting("Accounts by name; without any there is one, `default`.", live=True),
    ] = msgspec.field(default_factory=dict[str, WebhookAccount])


class ChannelsSettings(Section, frozen=True):
    """The chat services."""

    defaults: Annotated[
        ChannelDefaults, setting("What holds unless a channel says otherwise.", live=True)
    ] = msgspec.field(default_factory=ChannelDefaults)
    webchat: Annotated[WebchatSettings, setting("The gateway's own chat.", live=True)] = (
        msgspec.field(default_factory=WebchatSettings)
    )
    webhook: Annotated[WebhookSettings, setting("Chat for scripts.", live=True)] = msgspec.field(
        default_factory=WebhookSettings
    )
    plugins: Annotated[
        dict[_ChannelId, PluginChannelSettings],
        setting("A channel that a plugin of this id brings.", live=True, others=True),
    ] = msgspec.field(default_factory=dict[str, PluginChannelSettings])
