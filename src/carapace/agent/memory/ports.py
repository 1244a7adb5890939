"""What the memory asks of a model that turns texts into vectors."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

from carapace.value import Value

__all__ = ["Embedder", "EmbedderTrouble", "Hit", "TroubleKind"]


class TroubleKind(StrEnum):
    """Why there are no vectors."""

    MISSING = "missing"  # not installed; stays so until a restart
    LOAD = "load"  # the model did not come up
    WAITING = "waiting"  # it failed too often and rests
    DIED = "died"  # it ended, or fell silent, amid this request
    REFUSED = "refused"  # it lives and reports an error


class EmbedderTrouble(Exception):  # noqa: N818 - reads as a sentence where it is raised
    """No vectors this time; the text is for the log.

    Attributes:
        kind: Why.
        retry_after_s: How long to wait before asking again.
    """

    def __init__(self, kind: TroubleKind, message: str, *, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.kind = kind
        self.retry_after_s = retry_after_s


class Hit(Value, frozen=True):
    """One vector near a question.

    Attributes:
        position: Its place among those asked about, from 0.
        cosine: How near, from -1 to 1.
    """

    position: int
    cosine: float


class Embedder(Protocol):
    """Turns texts into vectors and finds the near ones.

    A vector is `dims` float16 numbers, little-endian, of length one.
    """

    @property
    def model(self) -> str:
        """Name of the model; vectors of another name do not compare."""
        ...

    @property
    def dims(self) -> int:
        """Numbers in a vector."""
        ...

    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        """The vector of each text to be found later.

        Raises:
            EmbedderTrouble: If there is none.
        """
        ...

    async def nearest(self, question: str, vectors: bytes, *, limit: int) -> list[Hit]:
        """The vectors nearest to `question`, nearest first.

        Args:
            question: Free text.
            vectors: All candidates, one after the other.
            limit: How many at most.

        Raises:
            EmbedderTrouble: If they cannot be told.
        """
        ...

    async def close(self) -> None:
        """Give back what it holds; the next request takes it again."""
        ...
