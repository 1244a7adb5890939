"""The one reader of media references: an id in the store, or a public https address. Pure.

Whatever else is written there (a path, `file://`, `~`, a network share) is refused by its form,
on every system, before anybody looks at a disk (advisories F11 and F12).
"""

from __future__ import annotations

import re
from typing import Final

from carapace.errors import Refused
from carapace.net.url import InvalidUrl, parse_url
from carapace.value import Value

__all__ = ["ID_PATTERN", "MediaReference", "RemoteFile", "StoredFile", "resolve"]

ID_PATTERN: Final = re.compile(r"m-[0-9a-f]{32}", re.ASCII)
_MAX_SHOWN: Final = 60


class StoredFile(Value, frozen=True):
    """A file that the store has, or had."""

    media_id: str


class RemoteFile(Value, frozen=True):
    """A file to be fetched, by `carapace.media.fetch` and nobody else."""

    url: str


MediaReference = StoredFile | RemoteFile


def resolve(text: str) -> MediaReference:
    """What a media field means.

    Raises:
        Refused: If it is neither an id of the store nor an https URL.
    """
    if ID_PATTERN.fullmatch(text):
        return StoredFile(text)
    try:
        endpoint = parse_url(text)
    except InvalidUrl:
        endpoint = None
    if endpoint is None or endpoint.scheme != "https":
        shown = text[:_MAX_SHOWN].encode("ascii", "backslashreplace").decode()
        raise Refused(
            f"{shown!r} is no media: give the id of a stored file (m-...) or an https URL; files "
            "of this machine are not read by name"
        )
    return RemoteFile(text)
