"""One order out of several: reciprocal rank fusion. Pure.

Source: Cormack, Clarke, Buettcher, "Reciprocal Rank Fusion outperforms Condorcet and individual
Rank Learning Methods", SIGIR 2009. Ranks need no common scale, which bm25 and cosines have not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from carapace.agent.memory.ports import Hit

__all__ = ["fuse", "near"]

_K: Final = 60
_MARGIN: Final = 0.04


def fuse(*orders: Sequence[str]) -> list[str]:
    """Names by the sum of `1 / (60 + rank)` over all orders, ranks from 1.

    Of equals, the one that an earlier order names first wins. No order names a thing twice.
    """
    scores: dict[str, float] = {}
    for order in orders:
        for rank, name in enumerate(order, 1):
            scores[name] = scores.get(name, 0.0) + 1 / (_K + rank)
    return sorted(scores, key=scores.__getitem__, reverse=True)


def near(hits: Sequence[Hit]) -> list[Hit]:
    """Those about as near as the nearest, which is first.

    Cosines of this model lie close together and have no zero: a fixed threshold would keep all
    or none, a distance to the best does not.
    """
    return [hit for hit in hits if hit.cosine >= hits[0].cosine - _MARGIN]
