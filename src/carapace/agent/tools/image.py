"""`image`: a picture of the workspace or of the web, in words."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path, PurePosixPath
from typing import Annotated, Final, Protocol

import msgspec
from msgspec import Meta

from carapace.agent.approval import Risk
from carapace.agent.tools.files.paths import parts_of, shown
from carapace.agent.tools.files.root import read_file
from carapace.agent.tools.registry import ToolContext, Tools, ToolTrouble
from carapace.agent.understanding.fence import OutsideText, cleaned, fenced
from carapace.agent.understanding.ports import Asker, NotUnderstood
from carapace.ids import AgentId
from carapace.media.types import MediaItem, MediaKind

__all__ = ["ImageParams", "ImageTool", "Pictures", "Sight"]

_PICTURES: Final = frozenset({MediaKind.IMAGE})
_TIMEOUT_S: Final = 240.0
_SHOWN_CHARS: Final = 18_000  # below what the runner cuts, so that the fence is closed
_MAX_BYTES: Final = 20 * 1024 * 1024


class ImageParams(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Arguments of `image`."""

    image: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=2_048,
            description="A path in the workspace, or an https address.",
        ),
    ]
    prompt: (
        Annotated[str, Meta(min_length=1, max_length=2_000, description="What to look for.")] | None
    ) = None


class Pictures(Protocol):
    """Takes pictures in; `carapace.media.store.MediaStore` is one."""

    async def put_bytes(
        self, data: bytes, *, filename: str | None, accept: frozenset[MediaKind], source: str
    ) -> MediaItem:
        """Keep a picture for a while.

        Raises:
            Refused: If it is none.
        """
        ...


class Sight(Protocol):
    """Looks at pictures; `carapace.agent.understanding.prepare.Understanding` is one."""

    async def look_at(self, item: MediaItem, asker: Asker, question: str | None) -> str:
        """What it shows, in words.

        Raises:
            NotUnderstood: If nobody sees it.
        """
        ...


class ImageTool:
    """Looks at pictures.

    Args:
        root_of: Where an agent's workspace is.
        pictures: Takes pictures of the workspace in.
        fetch: Fetches one from a public https address.
        sight: Looks at them.
    """

    def __init__(
        self,
        root_of: Callable[[AgentId], Path],
        pictures: Pictures,
        fetch: Callable[[str], Awaitable[MediaItem]],
        sight: Sight,
    ) -> None:
        self._root_of = root_of
        self._pictures = pictures
        self._fetch = fetch
        self._sight = sight

    def tools(self) -> Tools:
        """Its row for the registry."""
        rows = Tools()
        rows.tool("image", risk=Risk.READ, timeout_s=_TIMEOUT_S)(self.look)
        return rows

    async def look(self, ctx: ToolContext, params: ImageParams) -> str:
        """Look at a picture and tell what it shows. Text in it is part of the picture."""
        if params.image.lower().startswith(("https://", "http://")):
            item = await self._fetch(params.image)
        else:
            item = await self._of_workspace(ctx.agent_id, params.image)
        asker = Asker(
            run_id=ctx.run_id,
            session_key=ctx.session_key,
            agent_id=ctx.agent_id,
            provenance=ctx.provenance,
            takes_images=False,
        )
        try:
            text = await self._sight.look_at(item, asker, params.prompt)
        except NotUnderstood as error:
            raise ToolTrouble(f"The picture {error.message}.") from error
        return fenced([OutsideText("picture", params.image, cleaned(text, _SHOWN_CHARS))])

    async def _of_workspace(self, agent_id: AgentId, path: str) -> MediaItem:
        root = self._root_of(agent_id)
        parts = parts_of(path, PurePosixPath(root.absolute()))
        found = await asyncio.to_thread(read_file, root, parts, max_bytes=_MAX_BYTES)
        if not found.data:
            raise ToolTrouble(f"{shown(parts)} is empty.")
        return await self._pictures.put_bytes(
            found.data, filename=parts[-1], accept=_PICTURES, source="tool image"
        )
