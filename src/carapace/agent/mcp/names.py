"""What models call the tools of MCP servers: `mcp_SERVER_TOOL`. Pure.

The part of the server holds no underscore, so two servers can never meet in one name, and small
letters alone are used, because lists of tools are compared that way. A name that does not fit is
shortened and gets a digest of all of it.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

__all__ = ["server_label", "tool_name"]

_MAX_NAME_CHARS: Final = 64  # the shortest limit among the vendors
_MAX_LABEL_CHARS: Final = 24
_DIGEST_CHARS: Final = 8
_LABEL: Final = re.compile(r"[a-z0-9-]{1,24}", re.ASCII)
_TOOL: Final = re.compile(r"[a-z0-9_-]+", re.ASCII)


def server_label(server: str) -> str:
    """A server's part of names; also fit for the name of a folder."""
    if _LABEL.fullmatch(server):
        return server
    return _shortened(server, r"[^a-z0-9]+", _MAX_LABEL_CHARS)


def tool_name(server: str, tool: str) -> str:
    """What a model calls `tool` of `server`; at most 64 characters."""
    prefix = f"mcp_{server_label(server)}_"
    room = _MAX_NAME_CHARS - len(prefix)
    if _TOOL.fullmatch(tool) and len(tool) <= room:
        return prefix + tool
    return prefix + _shortened(tool, r"[^a-z0-9_-]+", room)


def _shortened(text: str, unfit: str, room: int) -> str:
    digest = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:_DIGEST_CHARS]
    plain = re.sub(unfit, "-", text.lower(), flags=re.ASCII).strip("-")
    return f"{plain[: room - _DIGEST_CHARS - 1]}-{digest}"
