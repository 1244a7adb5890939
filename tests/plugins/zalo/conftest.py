"""The guest's own modules are imported as they are, without WebAssembly."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.zalo_house import ZaloHouse
from support.zalo_server import ZaloServer


@pytest.fixture
def zalo() -> Iterator[ZaloServer]:
    with ZaloServer() as server:
        yield server


@pytest.fixture
def house(zalo: ZaloServer) -> ZaloHouse:
    """A house that knows the bot of `zalo`; nothing runs yet."""
    return ZaloHouse(zalo.url, zalo.token)
