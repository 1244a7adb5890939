"""The words that wake the apps: one list for all of them, in the database and in memory."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from typing import Any, Final, cast

from carapace.clock import Clock
from carapace.errors import Refused
from carapace.nodes import records
from carapace.protocol.events import Event, Publish
from carapace.protocol.voicewake import VoiceWake
from carapace.store.ports import Database

__all__ = ["DEFAULT_TRIGGERS", "VoiceWakeWords", "cleaned"]

DEFAULT_TRIGGERS: Final = ("clawd", "claude", "computer")
_MAX_TRIGGERS: Final = 32
_MAX_CHARS: Final = 64


class VoiceWakeWords:
    """`voicewake.*`.

    Args:
        database: Where they are kept.
        triggers: As kept.
        clock: For the time of a change.
        publish: Tells operators and nodes.
    """

    def __init__(
        self, database: Database, triggers: tuple[str, ...], *, clock: Clock, publish: Publish
    ) -> None:
        self._database = database
        self._triggers = triggers
        self._clock = clock
        self._publish = publish

    @classmethod
    async def open(cls, database: Database, *, clock: Clock, publish: Publish) -> VoiceWakeWords:
        """With the words of the database, or the defaults."""
        kept = await database.read(records.load_triggers)
        return cls(database, kept or DEFAULT_TRIGGERS, clock=clock, publish=publish)

    def now(self) -> VoiceWake:
        """The words that hold."""
        return VoiceWake(self._triggers)

    async def put(self, triggers: Any) -> VoiceWake:
        """Let these words hold from now on; none are the defaults. Everybody is told.

        Raises:
            Refused: If that is no list.
        """
        if not isinstance(triggers, list):
            raise Refused("voicewake.set requires triggers: string[]")
        words = cleaned(cast("list[Any]", triggers)) or DEFAULT_TRIGGERS
        now_ms = self._clock.now_ms()
        await self._database.write(lambda tx: records.save_triggers(tx, words, now_ms))
        self._triggers = words
        self._publish(Event("voicewake.changed", self.now()))
        return self.now()


def cleaned(given: Iterable[Any]) -> tuple[str, ...]:
    """What of it can be words: no blanks, no control characters, not too many, not too long."""
    words = (_word(one) for one in given if isinstance(one, str))
    return tuple(word for word in words if word)[:_MAX_TRIGGERS]


def _word(text: str) -> str:
    spaced = "".join(" " if unicodedata.category(one)[0] == "C" else one for one in text)
    return " ".join(spaced.split())[:_MAX_CHARS].strip()
