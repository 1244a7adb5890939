"""Fetching a file from outside into the store, through `carapace.net` and under caps.

What a server says about its file (type, length, name) is never believed: the type is sniffed,
the length is counted, the name is for people. A body that is an error page is not read at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

import httpx2
from msgspec.structs import replace

from carapace.clock import Clock
from carapace.errors import Failed, Refused
from carapace.media.filename import filename_from_headers
from carapace.media.pace import Pace
from carapace.media.slots import Slots
from carapace.media.store import MediaStore, TooLarge, too_large
from carapace.media.types import ANY_KIND, MediaItem, MediaKind
from carapace.net.client import Egress
from carapace.net.limits import BodyTooLarge
from carapace.net.policy import EgressCaller
from carapace.net.refused import refusal_of
from carapace.telemetry.audit import Audit, AuditKind
from carapace.telemetry.metrics import Metrics

__all__ = ["ANYWHERE_PUBLIC", "MediaFetcher"]

ANYWHERE_PUBLIC: Final = EgressCaller("media")
"""Any public https address; a channel that knows its service's hosts brings a narrower one."""

_MAX_REDIRECTS: Final = 5
_MAX_WAITING: Final = 64


class MediaFetcher:
    """Fetches files, a few at a time.

    Args:
        egress: The way out.
        store: Where files go.
        clock: For the pace of a download.
        audit: Gets a line for each refusal that is not one of `net` or of the store.
        metrics: Counts outcomes.
        max_at_once: Downloads that run at the same time; some dozens more may wait.
        total_timeout_s: Deadline of one download, waiting included.
        silence_timeout_s: Longest wait for the next bytes.
        pace: The slowest that is put up with.
    """

    def __init__(
        self,
        egress: Egress,
        store: MediaStore,
        *,
        clock: Clock,
        audit: Audit,
        metrics: Metrics,
        max_at_once: int = 4,
        total_timeout_s: float = 120.0,
        silence_timeout_s: float = 15.0,
        pace: Pace = Pace(min_bytes_per_s=1024, grace_s=10.0),  # noqa: B008 - frozen
    ) -> None:
        self._egress = egress
        self._store = store
        self._clock = clock
        self._audit = audit
        self._metrics = metrics
        self._slots = Slots(max_at_once, max_waiting=_MAX_WAITING, what="files wait to be fetched")
        self._total_timeout_s = total_timeout_s
        self._silence_timeout_s = silence_timeout_s
        self._pace = pace

    async def fetch(
        self,
        url: str,
        caller: EgressCaller = ANYWHERE_PUBLIC,
        *,
        headers: Mapping[str, str] | None = None,
        filename: str | None = None,
        max_bytes: int | None = None,
        accept: frozenset[MediaKind] = ANY_KIND,
    ) -> MediaItem:
        """Fetch `url` into the store.

        Args:
            url: An https address; plain http only where the caller's `allow_hosts` has it.
            caller: Whose rules count; caps, deadlines and redirects are set here.
            headers: Sent to this origin alone, as a credential may be; a redirect elsewhere goes
                without them.
            filename: Instead of what the server calls it.
            max_bytes: A lower cap than the setting's, on the wire and after decompression.
            accept: Kinds that are taken; decided by content.

        Raises:
            TooLarge: If it is longer than its cap.
            Refused: If a rule of `net` or of the store refuses it.
            Failed: If the server does not give it, or gives it too slowly.
        """
        try:
            async with asyncio.timeout(self._total_timeout_s), self._slots.one():
                item = await self._fetch(
                    url, self._bounded(caller, max_bytes), headers, filename, accept
                )
        except Refused:
            self._metrics.media_fetches.labels("refused").inc()
            raise
        except Failed:
            self._metrics.media_fetches.labels("failed").inc()
            raise
        except TimeoutError:
            self._metrics.media_fetches.labels("failed").inc()
            raise self._slow(url, caller) from None
        self._metrics.media_fetches.labels("stored").inc()
        return item

    def _bounded(self, caller: EgressCaller, max_bytes: int | None) -> EgressCaller:
        most = self._store.max_item_bytes
        cap = most if max_bytes is None else min(max_bytes, most)
        policy = replace(
            caller.policy,
            allow_http=False,
            max_wire_bytes=cap,
            max_decoded_bytes=cap,
            max_redirects=_MAX_REDIRECTS,
            silence_timeout_s=self._silence_timeout_s,
            total_timeout_s=self._total_timeout_s,
            max_connections=1,
        )
        return replace(caller, policy=policy)

    async def _fetch(
        self,
        url: str,
        caller: EgressCaller,
        headers: Mapping[str, str] | None,
        filename: str | None,
        accept: frozenset[MediaKind],
    ) -> MediaItem:
        source = f"{caller.name} {_host(url)}"
        try:
            # A client of its own: nothing of one file's fetch is left for another's.
            async with (
                self._egress.http_client(caller) as client,
                client.stream("GET", url, headers=dict(headers or {})) as response,
            ):
                self._check(response, caller, url)
                name = filename or filename_from_headers(
                    response.headers.get("content-disposition"),
                    str(response.extensions.get("final_url", url)),
                )
                async with aclosing(self._paced(response)) as pieces:
                    return await self._store.put_stream(
                        pieces,
                        filename=name,
                        max_bytes=caller.policy.max_decoded_bytes,
                        accept=accept,
                        source=source,
                    )
        except _TooSlow:
            raise self._slow(url, caller) from None
        except httpx2.InvalidURL as error:
            raise Refused(f"the address of the file cannot be read: {error}") from error
        except httpx2.HTTPError as error:
            raise self._translated(error, url, caller) from error

    def _check(self, response: httpx2.Response, caller: EgressCaller, url: str) -> None:
        """Head first: an error page or a length beyond the cap is not read."""
        status = response.status_code
        if status != HTTPStatus.OK:
            raise Failed(
                f"{_host(url)} answered {status} instead of the file: ask for it again, or for a "
                "new link",
                retryable=status in _LATER or status >= HTTPStatus.INTERNAL_SERVER_ERROR,
            )
        declared = response.headers.get("content-length", "")
        if declared.isdecimal() and int(declared) > caller.policy.max_wire_bytes:
            raise self._refused(url, caller)

    async def _paced(self, response: httpx2.Response) -> AsyncGenerator[bytes]:
        began_s, n_bytes = self._clock.monotonic(), 0
        async for piece in response.aiter_raw():
            n_bytes += len(piece)
            if self._pace.is_too_slow(n_bytes, self._clock.monotonic() - began_s):
                raise _TooSlow
            yield piece

    def _translated(
        self, error: httpx2.HTTPError, url: str, caller: EgressCaller
    ) -> Refused | Failed:
        """An error of the library in our words; its own text may hold the whole address."""
        if (refusal := refusal_of(error)) is not None:
            return Refused(f"the file was not fetched from {refusal.host}: {refusal.reason}")
        if isinstance(error, BodyTooLarge):
            return self._refused(url, caller)
        if isinstance(error, httpx2.TimeoutException):
            return self._slow(url, caller)
        if isinstance(error, httpx2.DecodingError):
            return Failed(
                f"{_host(url)} sent the file in a form that cannot be unpacked: ask for it again"
            )
        return Failed(
            f"{_host(url)} could not be reached, or broke off in the middle: try again later",
            retryable=True,
        )

    def _refused(self, url: str, caller: EgressCaller) -> TooLarge:
        error = too_large(caller.policy.max_decoded_bytes)
        self._record(url, caller, error.message)
        return error

    def _slow(self, url: str, caller: EgressCaller) -> Failed:
        self._record(url, caller, "the server was too slow")
        return Failed(
            f"{_host(url)} sent the file too slowly, so the gateway stopped: try again later",
            retryable=True,
        )

    def _record(self, url: str, caller: EgressCaller, reason: str) -> None:
        self._audit.record(
            AuditKind.MEDIA_REFUSED, source=f"{caller.name} {_host(url)}", reason=reason
        )


_LATER: Final = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)


class _TooSlow(Exception):  # noqa: N818 - it is an event
    """The body came in more slowly than the pace."""


def _host(url: str) -> str:
    """The host alone: a path or query may be a secret (advisory F19)."""
    try:
        return urlsplit(url).hostname or "the server"
    except ValueError:
        return "the server"
