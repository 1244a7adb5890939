"""An embedder inside the test's own process, for what is decided around it.

Satisfies `Embedder`; verified by `tests/contract/test_embedder.py`.
"""

from __future__ import annotations

import numpy as np

from carapace.agent.memory.engine import nearest
from carapace.agent.memory.ports import EmbedderTrouble, Hit
from support.embed_worker import WordEngine

__all__ = ["WordEmbedder"]


class WordEmbedder:
    """Near are texts that share words; `troubles` are raised first, one a request.

    Attributes:
        asked: Texts of each `embed`, in order.
        poison: Every `embed` with this text in it raises the trouble.
    """

    model = "words"
    dims = 384

    def __init__(self, *troubles: EmbedderTrouble) -> None:
        self.troubles = list(troubles)
        self.poison: tuple[str, EmbedderTrouble] | None = None
        self.asked: list[tuple[str, ...]] = []
        self.closed = 0
        self._engine = WordEngine()

    async def embed(self, texts) -> list[bytes]:
        self.asked.append(tuple(texts))
        self._raise()
        if self.poison is not None and any(self.poison[0] in text for text in texts):
            raise self.poison[1]
        rows = self._engine.embed(tuple(texts), is_question=False)
        return [row.astype("<f2").tobytes() for row in rows]

    async def nearest(self, question: str, vectors: bytes, *, limit: int) -> list[Hit]:
        self._raise()
        row: np.ndarray = self._engine.embed((question,), is_question=True)[0]
        return [Hit(*hit) for hit in nearest(row, vectors, limit)]

    async def close(self) -> None:
        self.closed += 1

    def _raise(self) -> None:
        if self.troubles:
            raise self.troubles.pop(0)
