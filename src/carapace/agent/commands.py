"""What typed commands do and answer: real states of the session, in words for people.

Which words are a command, and who may type it, is decided at the doors with
`carapace.channels.commands`; what comes here has been authorised. Ending runs, new sessions and
compaction are turns or the lack of them, and live in `carapace.agent.service`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from carapace.agent.profiles import Profiles
from carapace.agent.providers.ports import ProviderError
from carapace.agent.tools.sessions import status_text
from carapace.agent.types import Submission
from carapace.channels.commands import ROWS, ChatCommand, CommandName, row_of
from carapace.clock import Clock
from carapace.errors import Refused
from carapace.ids import AgentId
from carapace.protocol.models import ModelInfo
from carapace.protocol.sessions import SessionsPatch
from carapace.provenance import Authority, Origin
from carapace.sessions.service import Sessions
from carapace.sessions.types import SessionEntry

__all__ = ["ChatCommands", "KnowsModel", "Waiting"]

KnowsModel = Callable[[str, AgentId], object]
"""Raises for a model that nobody could ask."""

Waiting = Callable[[Submission], tuple[int, int]]
"""How many turns run and wait in the session of a submission."""

_MAX_MODELS: Final = 60
_DEFAULT: Final = "default"
_SEND: Final = {"on": "allow", "off": "deny", "inherit": None}
_SENT: Final = {"allow": "on", "deny": "off", None: "inherit"}
_FIELDS: Final = {
    CommandName.THINK: ("thinking_level", "Thinking"),
    CommandName.VERBOSE: ("verbose_level", "Verbose"),
    CommandName.REASONING: ("reasoning_level", "Reasoning"),
    CommandName.USAGE: ("response_usage", "Usage line"),
    CommandName.ACTIVATION: ("group_activation", "Answers in the group"),
}
_MAY: Final = {
    Authority.OWNER: "you own this gateway and may do everything",
    Authority.PAIRED: "you were let in: you may talk, and use the commands of /help",
    Authority.GUEST: "you are a member of a group that is let in",
    Authority.OUTSIDE: "anybody may write here; you may talk and no more",
    Authority.NONE: "you may do nothing",
}


class ChatCommands:
    """Does commands and answers them.

    Args:
        sessions: Whose settings they change.
        profiles: For what counts where a session says nothing.
        catalogue: The models there are.
        knows_model: See `KnowsModel`.
        clock: For ages.
        waiting: See `Waiting`.
    """

    def __init__(
        self,
        sessions: Sessions,
        profiles: Profiles,
        *,
        catalogue: Callable[[], Sequence[ModelInfo]],
        knows_model: KnowsModel,
        clock: Clock,
        waiting: Waiting,
    ) -> None:
        self._sessions = sessions
        self._profiles = profiles
        self._catalogue = catalogue
        self._knows_model = knows_model
        self._clock = clock
        self._waiting = waiting

    async def answer(self, asked: Submission, command: ChatCommand) -> str:
        """Do `command` and say how things are now; a value that makes no sense changes nothing."""
        try:
            return await self._answer(asked, command)
        except Refused as refused:
            return f"{refused.message}\nUse {row_of(command.name).usage}"

    async def _answer(self, asked: Submission, command: ChatCommand) -> str:
        match command.name:
            case CommandName.HELP:
                return _help(asked)
            case CommandName.WHOAMI:
                return _whoami(asked)
            case CommandName.MODEL:
                return await self._model(asked, command.rest)
            case CommandName.SEND:
                return await self._send(asked, command.rest.lower())
            case CommandName.STATUS:
                return await self._status(asked)
            case _:
                return await self._setting(asked, command)

    # ---- how things are ----

    async def _status(self, asked: Submission) -> str:
        entry = await self._sessions.get(asked.session_key)
        lines = [status_text(entry, now_ms=self._clock.now_ms())]
        running, queued = self._waiting(asked)
        if running or queued:
            lines.append(f"Turns: {running} running, {queued} waiting")
        if entry is not None:
            shown = [
                f"{label} {getattr(entry, name)}"
                for name, label in _FIELDS.values()
                if name != "thinking_level" and getattr(entry, name) is not None
            ]
            if entry.send_policy is not None:
                shown.append(f"Sending {_SENT[entry.send_policy]}")
            if entry.model_override:
                shown.append(f"Model set to {_override(entry)}")
            if shown:
                lines.append("Set here: " + ", ".join(shown))
        return "\n".join(lines)

    # ---- settings ----

    async def _setting(self, asked: Submission, command: ChatCommand) -> str:
        field, label = _FIELDS[command.name]
        word = command.rest.lower()
        row = row_of(command.name)
        if word and word not in row.choices and command.name is not CommandName.THINK:
            raise Refused(f"{command.rest[:40]} is not one of the words for {row.words[0]}.")
        if word:
            value = None if word == _DEFAULT else word
            await self._patch(asked, **{field: value})
        entry = await self._sessions.get(asked.session_key)
        now = getattr(entry, field) if entry is not None else None
        return f"{label}: {now or self._default_of(asked, command.name)}"

    def _default_of(self, asked: Submission, name: CommandName) -> str:
        profile = self._profiles.get(asked.agent_id)
        match name:
            case CommandName.THINK:
                return f"{profile.thinking or 'off'} (the default)"
            case CommandName.VERBOSE:
                return f"{'on' if profile.is_verbose else 'off'} (the default)"
            case CommandName.ACTIVATION:
                return "as the channel's settings say"
            case _:
                return "off (the default)"

    async def _send(self, asked: Submission, word: str) -> str:
        if word:
            if word not in _SEND:
                raise Refused(f"{word[:40]} is not one of the words for /send.")
            await self._patch(asked, send_policy=_SEND[word])
        entry = await self._sessions.get(asked.session_key)
        now = entry.send_policy if entry is not None else None
        meaning = {
            "allow": "answers are sent",
            "deny": "nothing is sent until /send on",
            None: "as session.sendPolicy says",
        }
        return f"Sending: {_SENT[now]} ({meaning[now]})"

    # ---- models ----

    async def _model(self, asked: Submission, word: str) -> str:
        if word.lower() == "list":
            return await self._models(asked)
        if word:
            model = None if word.lower() == _DEFAULT else self._known(word, asked.agent_id)
            await self._patch(asked, model=model)
        entry = await self._sessions.get(asked.session_key)
        if entry is not None and entry.model_override:
            return f"Model: {_override(entry)} (set for this conversation)"
        return f"Model: {self._default_model()} (the default)"

    async def _models(self, asked: Submission) -> str:
        entry = await self._sessions.get(asked.session_key)
        current = self._default_model()
        if entry is not None and entry.model_override:
            current = _override(entry)
        found = [f"{one.provider}/{one.id}" for one in self._catalogue()]
        if not found:
            return "No model is configured."
        lines = [f"* {one} (now)" if one == current else f"- {one}" for one in found[:_MAX_MODELS]]
        if len(found) > _MAX_MODELS:
            lines.append(f"... and {len(found) - _MAX_MODELS} more")
        return "\n".join(lines)

    def _known(self, word: str, agent_id: AgentId) -> str:
        """The whole name of the model that `word` names.

        Raises:
            Refused: If nobody could ask it.
        """
        if "/" not in word:
            named = [one for one in self._catalogue() if one.id.lower() == word.lower()]
            if len(named) == 1:
                return f"{named[0].provider}/{named[0].id}"
        try:
            self._knows_model(word, agent_id)
        except ProviderError as error:
            raise Refused(error.message) from None
        return word

    def _default_model(self) -> str:
        found = self._sessions.policy.model
        return f"{found.provider}/{found.model}" if found is not None else "none is configured"

    async def _patch(self, asked: Submission, **changes: str | None) -> None:
        patch = SessionsPatch(key=asked.session_key)
        await self._sessions.patch(msgspec.structs.replace(patch, **changes))


def _override(entry: SessionEntry) -> str:
    return f"{entry.provider_override}/{entry.model_override}"


def _help(asked: Submission) -> str:
    is_owner = asked.provenance.authority is Authority.OWNER
    is_service = asked.provenance.origin is Origin.CHANNEL
    shown = [
        f"{row.usage}: {row.help}"
        for row in ROWS
        if (is_owner or not row.is_for_owners) and (is_service or not row.is_for_services)
    ]
    return "\n".join(shown)


def _whoami(asked: Submission) -> str:
    words = asked.provenance
    if words.channel is None:
        name = asked.route.display_name if asked.route is not None else None
        lines = [f"You: {name or 'a client of this gateway'}"]
    else:
        lines = [
            f"You: {words.sender_id} on {words.channel} (account {words.account})",
            f"Conversation: {words.conversation}",
        ]
    lines += [f"Session: {asked.session_key}", f"Standing: {_MAY[words.authority]}"]
    return "\n".join(lines)
