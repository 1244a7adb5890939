"""What to do with a redirect. Pure: a response in, the next request or a refusal out.

Redirects are followed by hand so that each hop is a new request under the same policy, and so
that what belongs to one origin never reaches another.

Source: RFC 9110 section 15.4.
"""

from __future__ import annotations

import httpx2

from carapace.net.refused import EgressRefused
from carapace.net.url import Endpoint, InvalidUrl, join_url, parse_url

__all__ = ["REDIRECT_STATUSES", "next_request"]

REDIRECT_STATUSES = frozenset([301, 302, 303, 307, 308])
_SAFE_METHODS = frozenset(["GET", "HEAD"])

# Everything else may be a credential: vendors invent header names faster than lists grow.
_HARMLESS_HEADERS = frozenset(
    ["accept", "accept-encoding", "accept-language", "range", "user-agent"]
)


def next_request(
    request: httpx2.Request, status: int, location: str, *, hops: int, max_redirects: int
) -> httpx2.Request | None:
    """The request to send next, or None to hand the redirect to the caller.

    A GET or HEAD is followed. Anything with a body is not repeated: to the same origin the
    redirect is handed back, to another one it is refused, because a library above might send
    the body and its credentials there.

    Args:
        request: What was answered with a redirect.
        status: One of `REDIRECT_STATUSES`; all of them keep GET and HEAD as they are.
        location: The Location header.
        hops: Redirects already followed.
        max_redirects: Cap of them; at 0 nothing is followed.

    Raises:
        EgressRefused: Too many, an unreadable target, https to http, or a body to elsewhere.
    """
    here = parse_url(str(request.url))
    there = _target(request, location, here)
    is_same_origin = here.origin == there.origin
    if here.scheme == "https" and there.scheme == "http":
        raise EgressRefused(there.host, there.port, "a redirect from https to http")
    if request.method not in _SAFE_METHODS or max_redirects == 0:
        if is_same_origin:
            return None
        raise EgressRefused(
            there.host, there.port, f"a redirect ({status}) of a {request.method} to another origin"
        )
    if hops >= max_redirects:
        raise EgressRefused(there.host, there.port, f"more than {max_redirects} redirects")
    headers = [
        (name, value)
        for name, value in request.headers.multi_items()
        if name.lower() in _HARMLESS_HEADERS or (is_same_origin and name.lower() != "host")
    ]
    return httpx2.Request(
        request.method,
        _write(there),
        headers=headers,
        extensions=dict(request.extensions),
    )


def _target(request: httpx2.Request, location: str, here: Endpoint) -> Endpoint:
    try:
        return parse_url(join_url(str(request.url), location))
    except InvalidUrl as error:
        raise EgressRefused(here.host, here.port, f"an unreadable redirect: {error}") from error


def _write(endpoint: Endpoint) -> str:
    host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    return f"{endpoint.scheme}://{host}:{endpoint.port}{endpoint.target}"
