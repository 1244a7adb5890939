"""Speaks answers: after the text of an answer has arrived, its recording follows it.

The text never waits for the recording, and a recording that fails costs nothing but itself.
Nothing in an answer decides who speaks it (advisory J13).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from carapace.agent.speech.service import Speech
from carapace.agent.speech.wording import spoken_words
from carapace.channels.outbox.service import Outbox
from carapace.channels.outbox.types import OutboxRow
from carapace.channels.types import ChannelInfo, Outgoing, OutgoingKind
from carapace.errors import GatewayError
from carapace.tasks import Tasks
from carapace.telemetry.log import get_logger

__all__ = ["SpokenAnswers"]

_MAX_WAITING: Final = 16
_KINDS: Final = frozenset({OutgoingKind.MESSAGE, OutgoingKind.EDIT})
_log = get_logger(__name__)


class SpokenAnswers:
    """Sends recordings of answers.

    Args:
        speech: Makes them.
        outbox: Sends them.
        info: What a channel can.
    """

    def __init__(
        self, speech: Speech, outbox: Outbox, info: Callable[[str], ChannelInfo | None]
    ) -> None:
        self._speech = speech
        self._outbox = outbox
        self._info = info
        self._tasks = Tasks("speech", _report)
        self._waiting = 0

    def delivered(self, row: OutboxRow) -> None:
        """The service has this message; its recording follows if it is an answer."""
        outgoing, info = row.outgoing, self._info(row.channel)
        is_answer = row.run_id is not None and outgoing is not None and not outgoing.media
        if not is_answer or outgoing is None or outgoing.kind not in _KINDS:
            return
        if info is None or not info.can_media:
            return
        if self._waiting >= _MAX_WAITING:
            _log.warning("an answer is not spoken: too many wait", channel=row.channel)
            return
        self._waiting += 1
        self._tasks.start(self._speak(row, outgoing), name="speak")

    async def aclose(self) -> None:
        """Speak no more; what is under way is left."""
        await self._tasks.close()

    async def _speak(self, row: OutboxRow, outgoing: Outgoing) -> None:
        try:
            words = spoken_words(outgoing.text)
            if not words or not await self._speech.is_automatic():
                return
            made = await self._speech.convert(words, channel=row.channel)
            recording = Outgoing(
                target=outgoing.target,
                media=(made.media_id,),
                idempotency_key=f"{row.idempotency_key}/spoken",
            )
            if row.provenance is not None:
                await self._outbox.put(recording, provenance=row.provenance)
        except GatewayError as error:
            _log.warning("an answer was not spoken", channel=row.channel, reason=error.message)
        finally:
            self._waiting -= 1


def _report(name: str, error: BaseException) -> None:
    _log.error("a recording died", task=name, exc_info=error)
