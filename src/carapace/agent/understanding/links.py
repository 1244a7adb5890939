"""Links in messages: which there are, and what stands behind them.

A page is fetched by the guarded client under the caller's name `links`: public addresses only,
https and http, few redirects, capped in bytes and time, without cookies or any credential. It is
parsed in a confined child; scripts are text that is skipped.
"""

from __future__ import annotations

import re
from typing import Final

import httpx2

from carapace.agent.understanding.child import ChildReader
from carapace.agent.understanding.ports import NotUnderstood
from carapace.agent.understanding.wire import Job, Reading
from carapace.config.settings.understanding import LinkReading
from carapace.net.client import Egress
from carapace.net.policy import EgressCaller, EgressPolicy, HostPort
from carapace.net.refused import refusal_of
from carapace.net.url import InvalidUrl, parse_url
from carapace.value import Value

__all__ = ["MAX_PAGE_BYTES", "LinkReader", "find_links"]

MAX_PAGE_BYTES: Final = 2 * 1024 * 1024
_MAX_REDIRECTS: Final = 5
_MAX_URL_CHARS: Final = 2_048
_HTTP_OK: Final = 200
_URL: Final = re.compile(r"https?://[^\s<>\"'`\\^{|}\x00-\x1f\x7f]{1,2100}", re.IGNORECASE)
_TRAILING: Final = ".,;:!?*_~\u2026\u00bb\u201d\u2019"
_PAIRS: Final = {")": "(", "]": "["}
_PAGES: Final = frozenset({"text/html", "application/xhtml+xml"})
_PLAIN: Final = frozenset({"text/plain", "text/markdown", "text/csv", "application/json"})
_ACCEPT: Final = "text/html, application/xhtml+xml, text/plain;q=0.8, */*;q=0.1"
_AGENT: Final = "Carapace link reader"


def find_links(text: str, limit: int) -> tuple[str, ...]:
    """The first `limit` http(s) links, each once, without the punctuation behind them.

    What the gateway would not open (user names in it, odd ports of names, not a URL after all)
    is left out here already.
    """
    found: dict[str, None] = {}
    for match in _URL.finditer(text):
        url = _trimmed(match[0])
        if len(url) > _MAX_URL_CHARS:
            continue
        try:
            parse_url(url)
        except InvalidUrl:
            continue
        found.setdefault(url)
        if len(found) == limit:
            break
    return tuple(found)


def _trimmed(url: str) -> str:
    """Without closing punctuation that belongs to the sentence."""
    while url:
        last = url[-1]
        opening = _PAIRS.get(last)
        is_extra = opening is not None and url.count(last) > url.count(opening)
        if last not in _TRAILING and not is_extra:
            return url
        url = url[:-1]
    return url


class _Page(Value, frozen=True):
    data: bytes
    content_type: str
    charset: str | None


class LinkReader:
    """Fetches pages and gives their text.

    Args:
        egress: The way out.
        child: Parses pages.
        hosts: Non-public hosts that may be read; none outside tests.
    """

    def __init__(
        self, egress: Egress, child: ChildReader, *, hosts: frozenset[HostPort] = frozenset()
    ) -> None:
        self._egress = egress
        self._child = child
        self._hosts = hosts

    async def read(self, url: str, settings: LinkReading) -> Reading:
        """The text behind `url`.

        Raises:
            NotUnderstood: If it may not be fetched, cannot be, or is no page.
        """
        page = await self._fetch(url, float(settings.timeout_seconds))
        if page.content_type in _PLAIN:
            text = page.data.decode("utf-8", errors="replace")
            return Reading(text[: settings.max_chars], is_cut=len(text) > settings.max_chars)
        job = Job("html", max_chars=settings.max_chars, charset=page.charset)
        return await self._child.read(page.data, job, timeout_s=float(settings.timeout_seconds))

    async def _fetch(self, url: str, timeout_s: float) -> _Page:
        caller = EgressCaller("links", self._policy(timeout_s))
        headers = {"accept": _ACCEPT, "user-agent": _AGENT}
        try:
            # A client for each message: nothing of one page (cookies, connections) meets another.
            async with (
                self._egress.http_client(caller) as client,
                client.stream("GET", url, headers=headers) as response,
            ):
                return await _read(response)
        except httpx2.HTTPError as error:
            raise _explained(error) from error
        except (httpx2.InvalidURL, UnicodeError) as error:
            raise NotUnderstood("is no address that can be opened", outcome="refused") from error

    def _policy(self, timeout_s: float) -> EgressPolicy:
        return EgressPolicy(
            allow_hosts=self._hosts,
            max_wire_bytes=MAX_PAGE_BYTES,
            max_decoded_bytes=MAX_PAGE_BYTES,
            max_redirects=_MAX_REDIRECTS,
            connect_timeout_s=min(5.0, timeout_s),
            silence_timeout_s=min(10.0, timeout_s),
            total_timeout_s=timeout_s,
            max_connections=2,
        )


async def _read(response: httpx2.Response) -> _Page:
    if response.status_code != _HTTP_OK:
        raise NotUnderstood(f"answered with status {response.status_code}", outcome="refused")
    head = response.headers.get("content-type", "").partition(";")
    content_type = head[0].strip().lower()
    if content_type not in _PAGES | _PLAIN:
        raise NotUnderstood("is no page of text", outcome="refused")
    charset = re.search(r"charset\s*=\s*\"?([a-zA-Z0-9_:-]{1,40})", head[2], re.IGNORECASE)
    data = await response.aread()
    return _Page(data, content_type, charset[1] if charset else None)


def _explained(error: httpx2.HTTPError) -> NotUnderstood:
    refused = refusal_of(error)
    if refused is not None:
        # The reason names addresses of the operator's network; those stay in the audit trail.
        return NotUnderstood("is not open to this gateway", outcome="refused")
    if isinstance(error, httpx2.TimeoutException):
        return NotUnderstood("did not answer in time", outcome="timeout")
    return NotUnderstood("could not be fetched", outcome="failed")
