"""From the messages of a turn to what a model can take: files fetched, then read."""

from __future__ import annotations

from collections.abc import Callable

from carapace.agent.understanding.ports import Asker
from carapace.agent.understanding.prepare import MAX_ITEMS, PreparedInput, Understanding
from carapace.app.account_files import AccountFiles
from carapace.channels.types import InboundMedia, InboundMessage
from carapace.errors import GatewayError
from carapace.ids import AgentId, RunId, new_id
from carapace.media.store import MediaStore, too_large
from carapace.media.types import MediaItem
from carapace.provenance import Authority, Provenance
from carapace.sessions.keys import main_session
from carapace.telemetry.log import get_logger

__all__ = ["Preparing"]

_log = get_logger(__name__)


class Preparing:
    """Satisfies `carapace.agent.inbound.Prepare`. Called for accepted messages alone (row E06).

    Args:
        files: Brings them in, each as its account may.
        store: Has those that are in already.
        understanding: Reads them.
        takes_images: Whether the model of an agent sees pictures.
    """

    def __init__(
        self,
        files: AccountFiles,
        store: MediaStore,
        understanding: Understanding,
        *,
        takes_images: Callable[[AgentId], bool],
    ) -> None:
        self._files = files
        self._store = store
        self._understanding = understanding
        self._takes_images = takes_images

    async def __call__(
        self, messages: tuple[InboundMessage, ...], provenance: Provenance, agent_id: AgentId
    ) -> PreparedInput:
        """What came with `messages`, made readable; what cannot be had is said in a note."""
        files = [(one, message) for message in messages for one in message.media]
        items: list[MediaItem] = []
        notes: list[str] = []
        if provenance.authority > Authority.NONE:
            for file, message in files[:MAX_ITEMS]:
                await self._collect(file, message, items, notes)
        if len(files) > MAX_ITEMS:
            notes.append(f"Only the first {MAX_ITEMS} of {len(files)} files were looked at.")
        asker = Asker(
            run_id=RunId(f"read-{new_id()}"),
            session_key=main_session(agent_id),
            agent_id=agent_id,
            provenance=provenance,
            takes_images=self._takes_images(agent_id),
        )
        text = "\n".join(message.text for message in messages)
        found = await self._understanding.prepare(text, items, asker)
        return PreparedInput(
            images=found.images,
            extra_text=found.extra_text,
            notes=(*notes, *found.notes),
            provenance=found.provenance,
        )

    async def _collect(
        self, file: InboundMedia, message: InboundMessage, items: list[MediaItem], notes: list[str]
    ) -> None:
        try:
            item = await self._found(file, message)
        except GatewayError as error:
            _log.warning("a file of a message was not fetched", reason=error.message)
            notes.append(f"A file that came with the message could not be fetched: {error.message}")
            return
        if item is None:
            notes.append("A file that came with the message is not there any more.")
        else:
            items.append(item)

    async def _found(self, file: InboundMedia, message: InboundMessage) -> MediaItem | None:
        channel, account = message.channel, message.account
        if file.media_id is not None:
            max_bytes = self._files.max_bytes(channel, account)
            item = await self._store.get(file.media_id)
            if item is not None and item.size_bytes > max_bytes:
                raise too_large(max_bytes)
            return item
        if file.url is None:
            return None
        return await self._files.fetch(file.url, channel, account, filename=file.filename)
