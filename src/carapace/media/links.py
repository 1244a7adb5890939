"""Public links to files: for services that fetch what they are to show.

A link works for as many requests as come until it expires or is taken back. Its token is 192
random bits; only a hash of it is kept, so neither the database nor the time that a look-up
takes tells anything about it (advisory C25).
"""

from __future__ import annotations

import re
from functools import partial
from typing import Final

from carapace.auth.compare import digest
from carapace.clock import Clock
from carapace.config.settings.media import LinkSettings
from carapace.errors import Refused
from carapace.ids import new_secret
from carapace.media import link_records, records
from carapace.media.types import MediaItem
from carapace.net.url import InvalidUrl, parse_url
from carapace.store.ports import Database, Tx
from carapace.value import Value

__all__ = ["PATH", "MediaLink", "MediaLinks"]

PATH: Final = "/media/"
"""Below which links live, on the gateway's own port."""

_TOKEN_BYTES: Final = 24
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{32}", re.ASCII)


class MediaLink(Value, frozen=True):
    """A link as it is given away.

    Attributes:
        url: The whole address.
        token: Its last part; needed to take the link back.
        expires_at_ms: From when on it leads nowhere.
    """

    url: str
    token: str
    expires_at_ms: int


class MediaLinks:
    """Makes links, follows them and takes them back.

    Args:
        database: Where they are.
        settings: Under which address strangers reach us, and for how long.
        clock: The time.
    """

    def __init__(self, database: Database, *, settings: LinkSettings, clock: Clock) -> None:
        self._database = database
        self._settings = settings
        self._clock = clock

    def apply(self, settings: LinkSettings) -> None:
        """Go by these settings from now on; links that were given away stay."""
        self._settings = settings

    async def create(self, media_id: str, *, ttl_s: int | None = None) -> MediaLink:
        """Let anybody with the link fetch a file for a while.

        Args:
            media_id: The file; it is kept as long as the link works.
            ttl_s: Instead of the setting's time.

        Raises:
            Refused: If no public address is set, or there is no such file.
        """
        base = self._base()
        token = new_secret(_TOKEN_BYTES)
        now_ms = self._clock.now_ms()
        expires_at_ms = now_ms + 1000 * (
            self._settings.ttl_minutes * 60 if ttl_s is None else ttl_s
        )
        is_made = await self._database.write(
            partial(
                link_records.insert,
                token_digest=digest(token),
                media_id=media_id,
                created_at_ms=now_ms,
                expires_at_ms=expires_at_ms,
            )
        )
        if not is_made:
            raise Refused(
                "there is no such file: it was never stored here, or its time is over",
                details={"mediaId": media_id},
            )
        return MediaLink(f"{base}{PATH}{token}", token, expires_at_ms)

    async def find(self, token: str) -> MediaItem | None:
        """The file behind a link that still works."""
        if not _TOKEN.fullmatch(token):
            return None

        def look(tx: Tx) -> MediaItem | None:
            media_id = link_records.live_media_id(tx, digest(token), now_ms=self._clock.now_ms())
            return None if media_id is None else records.find(tx, media_id)

        return await self._database.read(look)

    async def revoke(self, token: str) -> bool:
        """Take a link back; False if there was none."""
        return await self._database.write(
            partial(
                link_records.remove,
                token_digest=digest(token),
                now_ms=self._clock.now_ms(),
            )
        )

    async def revoke_all(self, media_id: str) -> int:
        """Take every link to a file back; how many there were."""
        return await self._database.write(
            partial(link_records.remove_all, media_id=media_id, now_ms=self._clock.now_ms())
        )

    def _base(self) -> str:
        url = self._settings.public_url
        if url is None:
            raise Refused(
                "links need an address under which strangers reach this gateway: set "
                "media.links.publicUrl"
            )
        if (reason := _unusable(url)) is not None:
            raise Refused(
                f"media.links.publicUrl cannot be used ({reason}): write it as in "
                "https://assistant.example"
            )
        return url.rstrip("/")


def _unusable(url: str) -> str | None:
    try:
        parse_url(url)
    except InvalidUrl as error:
        return str(error)
    return "it has a query or a fragment" if "?" in url or "#" in url else None
