"""Search by meaning compares as the definition says, and fusion is a fair order."""

from __future__ import annotations

import math
import struct

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from carapace.agent.memory.engine import nearest
from carapace.agent.memory.fusion import fuse

NUMBER = st.floats(-1, 1, width=16)
ORDER = st.lists(st.sampled_from("abcdefgh"), unique=True)


def unit(row):
    length = math.sqrt(sum(x * x for x in row)) or 1.0
    return [x / length for x in row]


@given(st.lists(NUMBER, min_size=4, max_size=4), st.lists(st.tuples(*[NUMBER] * 4), max_size=20))
def test_the_cosine_is_that_of_the_definition(question, rows):
    asked, packed = unit(question), b"".join(struct.pack("<4e", *unit(row)) for row in rows)
    hits = dict(nearest(np.array(asked, dtype=np.float32), packed, len(rows)))
    assert len(hits) == len(rows)
    for position, row in enumerate(rows):
        naive = sum(a * b for a, b in zip(asked, unit(row), strict=True))
        assert math.isclose(hits[position], naive, abs_tol=0.005)
    assert list(hits.values()) == sorted(hits.values(), reverse=True)


@given(ORDER, ORDER)
def test_fusion_names_each_thing_once_and_never_turns_agreement_around(one, other):
    fused = fuse(one, other)
    assert sorted(fused) == sorted({*one, *other})
    for first in fused:
        for second in fused:
            is_ahead = all(
                second not in order or (first in order and order.index(first) < order.index(second))
                for order in (one, other)
            )
            if is_ahead and first != second:
                assert fused.index(first) < fused.index(second)


@given(ORDER)
def test_one_order_stays_as_it_is(order):
    assert fuse(order) == order
    assert fuse(order, order) == order
