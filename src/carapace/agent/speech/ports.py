"""What an engine of speech gives, and how it says that it cannot."""

from __future__ import annotations

from typing import Protocol

from carapace.value import Value

__all__ = ["MAX_AUDIO_BYTES", "NotSpoken", "SpeechEngine", "Spoken"]

MAX_AUDIO_BYTES = 32 * 1024 * 1024


class NotSpoken(Exception):  # noqa: N818 - reads as a sentence where it is raised
    """An engine gave no recording; the text says why, for people."""


class Spoken(Value, frozen=True):
    """A recording.

    Attributes:
        data: The file.
        format: As the engine calls it: `wav`, `mp3`, `opus`, `mp3_44100_128`.
        is_voice: Chat services show it as a voice message (Ogg with Opus).
    """

    data: bytes
    format: str
    is_voice: bool = False


class SpeechEngine(Protocol):
    """Somebody who speaks."""

    @property
    def id(self) -> str:
        """As settings name it."""
        ...

    @property
    def name(self) -> str:
        """For people."""
        ...

    @property
    def is_local(self) -> bool:
        """Whether the text stays on this machine."""
        ...

    @property
    def models(self) -> tuple[str, ...]:
        """What it offers; empty where there is nothing to choose."""
        ...

    @property
    def voices(self) -> tuple[str, ...]:
        """Likewise; empty where nobody can list them."""
        ...

    def trouble(self) -> str | None:
        """Why it cannot be used as things are set; None if it can."""
        ...

    async def speak(self, text: str, *, as_voice: bool, timeout_s: float) -> Spoken:
        """The recording of `text`.

        Args:
            text: Not blank.
            as_voice: In a form that is shown as a voice message, if the engine has one.
            timeout_s: Longest time.

        Raises:
            NotSpoken: If there is none.
        """
        ...
