"""Lets msgspec look at every structure before threads use them.

msgspec learns what a structure holds when it is first decoded or converted, and two threads that
are the first at the same time end the process with a segmentation fault (seen with 0.22, under
any switch interval; ADR 0443). A structure that one thread has looked at is safe for all.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from carapace.value import Value

__all__ = ["prepare"]


def prepare() -> int:
    """Look at all wire structures that are imported by now; how many. Takes some 30 ms."""
    count = 0
    for kind in _below(msgspec.Struct):
        msgspec.json.Decoder(kind)
        count += 1
    return count


def _below(kind: type[msgspec.Struct]) -> Iterator[type[msgspec.Struct]]:
    for child in kind.__subclasses__():
        if child is not Value:
            yield child
            yield from _below(child)
