"""Telling of slow work never harms the thread that tells."""

from __future__ import annotations

from carapace.store.slow import tell


def test_the_listener_hears_name_and_seconds():
    heard: list[tuple[str, float]] = []
    tell(lambda name, seconds: heard.append((name, seconds)), "fn", 0.5)
    assert heard == [("fn", 0.5)]


def test_a_listener_with_a_fault_is_survived():
    heard: list[str] = []

    def fail(name: str, _: float) -> None:
        heard.append(name)
        raise OSError("the log is full")

    tell(fail, "fn", 0.5)
    assert heard == ["fn"]
