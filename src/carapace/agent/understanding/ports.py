"""What this room asks of others, and how it says that something cannot be read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from carapace.agent.providers.fallback import ModelTarget
from carapace.agent.providers.ports import Usage
from carapace.agent.usage import Priced
from carapace.ids import AgentId, RunId, SessionKey
from carapace.media.types import Picture
from carapace.provenance import Provenance
from carapace.value import Value

__all__ = [
    "Asker",
    "MediaBytes",
    "Models",
    "NotUnderstood",
    "Pictures",
    "Transcriber",
    "Transcript",
]


class NotUnderstood(Exception):  # noqa: N818 - reads as a sentence where it is raised
    """Something cannot be read.

    Attributes:
        message: For the model to pass on: why, and what to do, in one sentence.
        outcome: For the metric: `missing`, `refused`, `failed` or `timeout`.
    """

    def __init__(self, message: str, *, outcome: str = "failed") -> None:
        super().__init__(message)
        self.message = message
        self.outcome = outcome


class Asker(Value, frozen=True, kw_only=True):
    """For whom something is read, and who pays.

    Attributes:
        run_id: Of the turn that will follow.
        session_key: Its session.
        agent_id: Whose budget pays for what a model does here.
        provenance: Whose message it is; it stays as it is (row E22).
        takes_images: Whether the model of the turn sees pictures.
    """

    run_id: RunId
    session_key: SessionKey
    agent_id: AgentId
    provenance: Provenance
    takes_images: bool


class Models(Protocol):
    """Where models come from; `ProviderRegistry` is one."""

    def resolve(self, model_ref: str | None, agent_id: AgentId) -> Sequence[ModelTarget]:
        """Primary first; refuses a name that nobody knows."""
        ...


class MediaBytes(Protocol):
    """Where files are; `carapace.media.store.MediaStore` is one."""

    async def read(self, media_id: str, *, max_bytes: int) -> bytes:
        """A whole file.

        Raises:
            Refused: If there is none, or it is longer than `max_bytes`.
            Failed: If it cannot be read.
        """
        ...


class Pictures(Protocol):
    """Makes pictures small and plain; `carapace.media.images.Images` is one."""

    async def render(self, media_id: str, *, max_edge_px: int, max_bytes: int) -> Picture:
        """A picture upright, no larger and without metadata.

        Raises:
            Refused: If it is no picture that can be opened here, or asks for too much.
            Failed: If what opens pictures is missing or died.
        """
        ...


class Transcript(Value, frozen=True):
    """What a recording says.

    Attributes:
        text: Empty if nothing is said.
        usage: What it took; nothing where nobody counted tokens.
    """

    text: str
    usage: Usage = msgspec.field(default_factory=Usage)


class Transcriber(Protocol):
    """Turns a recording into text."""

    @property
    def payee(self) -> Priced | None:
        """Who is paid for it; None where it costs nothing."""
        ...

    @property
    def is_rough(self) -> bool:
        """Whether what it hears is often wrong."""
        ...

    async def transcribe(
        self, data: bytes, content_type: str, *, language: str | None, timeout_s: float
    ) -> Transcript:
        """What is said in it.

        Args:
            data: The recording.
            content_type: What it is, by its content.
            language: ISO 639-1 code, or None to find out.
            timeout_s: Bound of the whole.

        Raises:
            NotUnderstood: If it cannot be told.
        """
        ...
