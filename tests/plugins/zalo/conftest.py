"""The guest's own modules are imported as they are, without WebAssembly."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

GUEST = Path(__file__).resolve().parents[3] / "plugins" / "zalo"
if str(GUEST) not in sys.path:
    sys.path.insert(0, str(GUEST))

from support.zalo_house import ZaloHouse  # noqa: E402 - the guest has to be found first
from support.zalo_server import ZaloServer  # noqa: E402 - as above


@pytest.fixture
def zalo() -> Iterator[ZaloServer]:
    with ZaloServer() as server:
        yield server


@pytest.fixture
def house(zalo: ZaloServer) -> ZaloHouse:
    """A house that knows the bot of `zalo`; nothing runs yet."""
    return ZaloHouse(zalo.url, zalo.token)
