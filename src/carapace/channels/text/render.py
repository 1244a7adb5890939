"""What an agent said, as the texts of the messages that a service is sent.

The one way from an answer to outbox rows: silent answers give none, the prefix is put before the
first, tables and Markdown become what the service can show, and long texts are cut.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from carapace.channels.accounts.settings import account_settings, branches
from carapace.channels.text.chunk import SMALLEST_LIMIT, split
from carapace.channels.text.markdown import to_plain
from carapace.channels.text.tables import convert_tables
from carapace.channels.types import ChannelInfo, Target
from carapace.config.settings.channels import AccountSettings, ChunkMode, TableMode
from carapace.config.settings.root import Settings
from carapace.value import Value

__all__ = ["SILENT_REPLY", "RenderSettings", "Renderer", "render", "render_settings", "spoken"]

SILENT_REPLY: Final = "NO_REPLY"
"""An agent's whole answer if it has nothing to say; the Node gateway's agents know it too."""


class RenderSettings(Value, frozen=True, kw_only=True):
    """What an operator may say about the texts of one account.

    Attributes:
        limit: Longest text, in the channel's unit; never more than the channel takes.
        mode: Where texts are cut.
        tables: What becomes of tables; None for what suits the channel.
        response_prefix: Put before every answer, with a blank between.
    """

    limit: int | None = None
    mode: ChunkMode = "length"
    tables: TableMode | None = None
    response_prefix: str | None = None


def spoken(text: str) -> str:
    """`text` without the silent token; empty if nothing was said.

    The token counts alone or on a line of its own at either end. Within a sentence it is a word
    like any other: nobody's answer is dropped for speaking of it.
    """
    lines = text.strip().split("\n")
    while lines and lines[0].strip() in {SILENT_REPLY, ""}:
        lines.pop(0)
    while lines and lines[-1].strip() in {SILENT_REPLY, ""}:
        lines.pop()
    stripped = "\n".join(lines)
    return stripped if len(lines) < len(text.strip().split("\n")) else text


def render(text: str, info: ChannelInfo, settings: RenderSettings) -> list[str]:
    """The texts to send for one answer, in order; empty if there is nothing to send."""
    words = spoken(text)
    if not words.strip():
        return []
    tables = settings.tables or _suitable(info)
    words = convert_tables(words, tables, shows_tables=info.tables)
    if not info.markdown:
        words = to_plain(words)
    if settings.response_prefix:
        words = _prefixed(words, settings.response_prefix)
    limit = max(SMALLEST_LIMIT, min(settings.limit or info.max_text, info.max_text))
    return split(words, limit, info.unit, settings.mode)


def render_settings(account: AccountSettings | None, response_prefix: str | None) -> RenderSettings:
    """What holds for the texts of an account.

    Args:
        account: What `carapace.channels.accounts.settings` says about it.
        response_prefix: `messages.responsePrefix`, for an account without its own.
    """
    if account is None:
        return RenderSettings(response_prefix=response_prefix)
    own = account.response_prefix
    return RenderSettings(
        limit=account.text_chunk_limit,
        mode=account.chunk_mode or "length",
        tables=None if account.markdown is None else account.markdown.tables,
        response_prefix=response_prefix if own is None else own,
    )


class Renderer:
    """`render` for a target, with the settings of the moment.

    Args:
        info: What a channel is and can; None if there is no such channel.
        settings: The settings as they are now.
    """

    __slots__ = ("_info", "_settings")

    def __init__(
        self, info: Callable[[str], ChannelInfo | None], settings: Callable[[], Settings]
    ) -> None:
        self._info = info
        self._settings = settings

    def __call__(self, text: str, target: Target) -> list[str]:
        """The texts to send to `target` for one answer.

        A channel that is not there (a plugin that is switched off) is taken for a common one:
        the rows wait until it is back.
        """
        info = self._info(target.channel) or ChannelInfo(id=target.channel, label=target.channel)
        settings = self._settings()
        branch = branches(settings.channels).get(target.channel)
        account = (
            None
            if branch is None
            else account_settings(settings.channels.defaults, branch, target.account)
        )
        return render(text, info, render_settings(account, settings.messages.response_prefix))


def _suitable(info: ChannelInfo) -> TableMode:
    if info.tables:
        return "off"
    return "code" if info.markdown else "bullets"


def _prefixed(words: str, prefix: str) -> str:
    return words if words.startswith(prefix) else f"{prefix} {words}"
