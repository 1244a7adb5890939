"""A problem with the configuration, as clients and people are told of it."""

from __future__ import annotations

import msgspec

from carapace.config.located import Place

__all__ = ["Issue", "Problem"]


class Issue(msgspec.Struct, frozen=True):
    """One problem: the key it concerns (empty for the whole file) and the sentence about it."""

    path: str
    message: str


class Problem(Exception):  # noqa: N818 - a finding, raised only inside this room
    """One thing wrong at one place; collected into issues by the loader."""

    def __init__(self, key: str, message: str, place: Place) -> None:
        super().__init__(message)
        self.key = key
        self.message = message
        self.place = place

    def issue(self) -> Issue:
        """The problem with its place in front."""
        return Issue(self.key, f"{self.place}: {self.message}")
