"""The guest library is imported from where it lies, and forgets between two tests."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from carapace.plugins.sdk.contract import guest_library

if str(guest_library()) not in sys.path:
    sys.path.append(str(guest_library()))

from carapace_plugin import (
    channels,
    hook_points,
    services,
    setup_questions,
    tools,
    webhooks,
)
from carapace_plugin.testing import FakeHost


@pytest.fixture(autouse=True)
def empty(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in ((tools, "_tools"), (webhooks, "_handlers"), (hook_points, "_handlers")):
        monkeypatch.setattr(module, name, {})
    for module in (services, channels, setup_questions):
        monkeypatch.setattr(module, "_registered", [])


@pytest.fixture
def host() -> Iterator[FakeHost]:
    with FakeHost(config={"a": {"b": 1}}, credentials={"token": "t"}) as made:
        yield made
