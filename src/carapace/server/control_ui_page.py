"""The first page of a Control UI as it leaves us: with its settings, under a strict policy.

A stock build reads a few global variables that its own gateway writes into the page. They go into
one script with a nonce; no other inline script runs, and nothing is loaded from elsewhere. Inline
styles are allowed because the page's components write them. Pure.
"""

from __future__ import annotations

from typing import Final

import msgspec

from carapace.value import Value

__all__ = ["PageFacts", "clean_base", "content_security_policy", "page"]

_ESCAPES: Final = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028"}
_HEAD_END: Final = "</head>"


class PageFacts(Value, frozen=True):
    """What a page is told.

    Attributes:
        base_path: Where it is, without a slash at the end.
        name: Of the assistant.
        avatar: A letter, an emoji or an address.
    """

    base_path: str
    name: str
    avatar: str


def clean_base(path: str) -> str:
    """A base path with one slash in front and none behind; empty for the root."""
    parts = [part for part in path.strip().split("/") if part not in ("", ".", "..")]
    return "".join(f"/{part}" for part in parts)


def page(html: str, facts: PageFacts, nonce: str) -> str:
    """`html` with the settings in it, under the names of all brands."""
    values = {
        "CONTROL_UI_BASE_PATH__": facts.base_path,
        "ASSISTANT_NAME__": facts.name,
        "ASSISTANT_AVATAR__": facts.avatar,
    }
    lines = "".join(
        f"window.__{brand}_{name}={_literal(value)};"
        for brand in ("CLAWDBOT", "OPENCLAW")
        for name, value in values.items()
    )
    script = f'<script nonce="{nonce}">{lines}</script>'
    head, found, rest = html.partition(_HEAD_END)
    return f"{head}{script}{found}{rest}" if found else script + html


def content_security_policy(nonce: str) -> str:
    """The policy of that page; `connect-src 'self'` covers its WebSocket (CSP level 3)."""
    return (
        "default-src 'self'; "
        f"script-src 'self' 'nonce-{nonce}'; "
        "style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; font-src 'self' data:; media-src 'self' data: blob:; "
        "connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; "
        "frame-src 'none'; frame-ancestors 'none'"
    )


def _literal(value: str) -> str:
    """A JavaScript string that cannot end the script it stands in."""
    text = msgspec.json.encode(value).decode()
    for character, escape in _ESCAPES.items():
        text = text.replace(character, escape)
    return text
