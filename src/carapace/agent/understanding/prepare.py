"""`Understanding`: a message with its files and links, as a model can take it.

Called for accepted messages only (row E06). It adds and never removes; what cannot be read
becomes a note that says so. What it reads keeps no authority: the provenance of the message
stays as it was, and texts from files and pages are data in fences.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Literal

from msgspec import structs
from msgspec.structs import replace

from carapace.agent.providers.ports import ImagePart
from carapace.agent.understanding.child import ChildReader
from carapace.agent.understanding.describe import Describer
from carapace.agent.understanding.fence import OutsideText, cleaned, fair_lengths, fenced
from carapace.agent.understanding.links import LinkReader, find_links
from carapace.agent.understanding.ports import Asker, MediaBytes, NotUnderstood, Pictures
from carapace.agent.understanding.summarise import Summariser, SummaryLimits
from carapace.agent.understanding.transcribe import Transcribers
from carapace.agent.understanding.wire import Job, Reading
from carapace.config.settings.understanding import ImageReading, LinkReading, MediaReading
from carapace.errors import Failed, GatewayError
from carapace.ids import AgentId
from carapace.media.types import MediaItem, MediaKind
from carapace.net.url import parse_url
from carapace.provenance import Authority, Provenance
from carapace.telemetry.log import get_logger
from carapace.telemetry.metrics import Metrics
from carapace.value import Value

__all__ = ["MAX_ITEMS", "MAX_TEXT_CHARS", "PreparedInput", "Understanding"]

MAX_ITEMS: Final = 10
MAX_TEXT_CHARS: Final = 60_000
"""Of all files and pages of one message together."""
_MAX_EDGE_PX: Final = 2_048
_SEEN_AS_IS: Final = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
_ROUGH: Final = "recording (heard by a small engine: expect wrong words, ask before acting)"
_MAX_AT_ONCE: Final = 2
_MAX_IMAGE_CHARS: Final = 28 * 1024 * 1024  # of base64: 20 MiB of pictures in one message
_log = get_logger(__name__)


class PreparedInput(Value, frozen=True, kw_only=True):
    """What a turn gets beside the text of its message.

    Attributes:
        images: For a model that sees.
        extra_text: Texts from files and pages in their fences, or empty.
        notes: What could not be read and why, in our words, one sentence each.
        provenance: Of the message, unchanged: nothing that was read adds authority.
    """

    images: tuple[ImagePart, ...] = ()
    extra_text: str = ""
    notes: tuple[str, ...] = ()
    provenance: Provenance

    def text(self, message: str) -> str:
        """The message with all that was found, as the model gets it."""
        notes = "\n".join(f"[{note}]" for note in self.notes)
        return "\n\n".join(part for part in (message, notes, self.extra_text) if part)


class _Found(Value, frozen=True):
    """What one file or link came to.

    Attributes:
        kind: As the metric names it.
        image: A picture for the model.
        text: What it says; longer than it may stay where there are `limits`.
        limits: When and by whom a text is summarised; None is never.
        is_cut: Whether there was more text than that.
        note: For the model, one sentence of ours.
    """

    kind: str
    image: ImagePart | None = None
    text: OutsideText | None = None
    limits: SummaryLimits | None = None
    is_cut: bool = False
    note: str = ""


class Understanding:
    """Reads what comes with messages.

    Args:
        media: Where files are.
        pictures: Makes pictures small and plain.
        child: Parses documents.
        links: Reads pages.
        describer: Puts pictures into words.
        summariser: Makes long texts short.
        transcribers: Listens.
        settings: `tools.media`.
        link_settings: `tools.links`.
        metrics: Counts what was read.
        room_chars: How much text an agent's model can take beside the conversation.
    """

    def __init__(
        self,
        *,
        media: MediaBytes,
        pictures: Pictures,
        child: ChildReader,
        links: LinkReader,
        describer: Describer,
        summariser: Summariser,
        transcribers: Transcribers,
        settings: MediaReading,
        link_settings: LinkReading,
        metrics: Metrics,
        room_chars: Callable[[AgentId], int] = lambda _: MAX_TEXT_CHARS,
    ) -> None:
        self._media = media
        self._pictures = pictures
        self._child = child
        self._links = links
        self._describer = describer
        self._summariser = summariser
        self._transcribers = transcribers
        self._settings = settings
        self._link_settings = link_settings
        self._metrics = metrics
        self._room_chars = room_chars
        self._slots = asyncio.Semaphore(_MAX_AT_ONCE)

    def apply(self, settings: MediaReading, link_settings: LinkReading) -> None:
        """Go by these settings from the next message on."""
        self._settings = settings
        self._link_settings = link_settings

    async def prepare(
        self, message: str, items: Sequence[MediaItem], asker: Asker
    ) -> PreparedInput:
        """Make the files and links of an accepted message readable; never fails.

        Args:
            message: Its text; links are looked for here alone, not in what was read.
            items: Its files, at most `MAX_ITEMS` of which are looked at.
            asker: For whom. Without authority nothing is read; pages only from `GUEST` on.
        """
        if asker.provenance.authority is Authority.NONE:
            return PreparedInput(provenance=asker.provenance)
        work: list[Awaitable[_Found]] = [
            self._short(_kind(item), _shown(item), self._reader(item, asker), asker, message)
            for item in items[:MAX_ITEMS]
        ]
        work += [
            self._short(
                "link",
                f"The page at {parse_url(url).host}",
                self._page(url, asker),
                asker,
                message,
            )
            for url in self._urls(message, asker.provenance)
        ]
        found = await _all(work)
        notes = [one.note for one in found if one.note]
        if len(items) > MAX_ITEMS:
            notes.append(f"Only the first {MAX_ITEMS} of {len(items)} files were looked at.")
        images, left_out = _fitting([one.image for one in found if one.image is not None])
        if left_out:
            notes.append(f"{left_out} of the pictures were left out: too large together.")
        return PreparedInput(
            images=images,
            extra_text=fenced(
                _fitted(
                    _texts(found, is_blank=not message.strip()), self._room_chars(asker.agent_id)
                )
            ),
            notes=tuple(notes),
            provenance=asker.provenance,
        )

    async def look_at(self, item: MediaItem, asker: Asker, question: str | None = None) -> str:
        """What a picture shows, in words; `question` is what to look for.

        Raises:
            NotUnderstood: If pictures are off, nobody sees it, or it cannot be opened.
            Refused: If it is no picture.
        """
        settings = self._settings.image
        if not settings.enabled:
            raise _off("tools.media.image.enabled")
        async with self._slots:
            image = await self._shown_image(item, settings)
        said = await self._describer.describe(image, asker, settings, question)
        return cleaned(said, settings.max_chars)

    def _urls(self, message: str, provenance: Provenance) -> tuple[str, ...]:
        settings = self._link_settings
        # A stranger must not be able to make this gateway call an address of their choice.
        if not settings.enabled or provenance.authority < Authority.GUEST:
            return ()
        return find_links(message, settings.max_links)

    async def _short(
        self,
        kind: str,
        shown: str,
        reader: Callable[[], Awaitable[_Found]],
        asker: Asker,
        message: str,
    ) -> _Found:
        """What was read, a long text in short."""
        found = await self._guarded(kind, shown, reader)
        if found.text is None or found.limits is None:
            return found
        # Not in one of the slots for reading: a slow model keeps no picture waiting.
        short = await self._summariser.shortened(
            found.text, found.limits, asker, about=message, is_cut=found.is_cut
        )
        note = f"{shown} has more text than was read." if found.is_cut else ""
        if short.reason:
            note = (
                f"{shown} is given as it is, cut where it is too long, and not as a summary: "
                f"{short.reason}."
            )
        return replace(found, text=short.text, note=note)

    async def _guarded(
        self, kind: str, shown: str, reader: Callable[[], Awaitable[_Found]]
    ) -> _Found:
        try:
            async with self._slots:
                found, outcome = await reader(), "ok"
        except NotUnderstood as error:
            found, outcome = _Found(kind, note=f"{shown} {error.message}."), error.outcome
        except GatewayError as error:
            found, outcome = (
                _Found(kind, note=f"{shown} cannot be read: {error.message}."),
                "refused",
            )
        except Exception as error:  # noqa: BLE001 - a message must reach its turn, whatever came with it
            _log.error("attachment not understood", kind=kind, exc_info=error)
            text = f"{shown} could not be read; the reason is in the gateway's log."
            found, outcome = _Found(kind, note=text), "failed"
        self._metrics.understanding.labels(kind, outcome).inc()
        return found

    def _reader(self, item: MediaItem, asker: Asker) -> Callable[[], Awaitable[_Found]]:
        match item.kind:
            case MediaKind.IMAGE:
                return lambda: self._image(item, asker)
            case MediaKind.AUDIO:
                return lambda: self._audio(item, asker)
            case MediaKind.TEXT:
                return lambda: self._plain(item, asker)
            case _ if item.content_type == "application/pdf":
                return lambda: self._document(item, "pdf", asker)
            case _ if item.content_type in ("text/html", "application/xhtml+xml"):
                return lambda: self._document(item, "html", asker)
            case _:
                return _unknown

    async def _image(self, item: MediaItem, asker: Asker) -> _Found:
        settings = self._settings.image
        if not settings.enabled:
            raise _off("tools.media.image.enabled")
        image = await self._shown_image(item, settings)
        if asker.takes_images:
            return _Found("image", image=image)
        text = cleaned(await self._describer.describe(image, asker, settings), settings.max_chars)
        return _Found("image", text=OutsideText("picture", _name(item), text))

    async def _shown_image(self, item: MediaItem, settings: ImageReading) -> ImagePart:
        """The picture small and without metadata; as it is where nothing can make it so."""
        try:
            picture = await self._pictures.render(
                item.id, max_edge_px=_MAX_EDGE_PX, max_bytes=settings.max_bytes
            )
        except Failed:
            if item.content_type not in _SEEN_AS_IS:
                raise
            data = await self._media.read(item.id, max_bytes=settings.max_bytes)
            return ImagePart(item.content_type, b64encode(data).decode())
        return ImagePart(picture.content_type, b64encode(picture.data).decode())

    async def _audio(self, item: MediaItem, asker: Asker) -> _Found:
        settings = self._settings.audio
        if not settings.enabled:
            raise _off("tools.media.audio.enabled")
        data = await self._media.read(item.id, max_bytes=settings.max_bytes)
        heard = await self._transcribers.transcribe(data, item.content_type, settings, asker)
        text = cleaned(heard.text, settings.max_chars)
        if not text:
            raise NotUnderstood("has no words in it that could be made out", outcome="refused")
        kind = _ROUGH if heard.is_rough else "recording"
        return _Found("audio", text=OutsideText(kind, _name(item), text))

    async def _plain(self, item: MediaItem, asker: Asker) -> _Found:
        settings = self._settings.document
        if not settings.enabled:
            raise _off("tools.media.document.enabled")
        data = await self._media.read(item.id, max_bytes=settings.max_bytes)
        reach = self._summariser.reach(settings, asker)
        # Four bytes are the most that UTF-8 needs for a character.
        text = data[: reach * 4 + 4].decode("utf-8", errors="replace")
        return _Found(
            "text",
            text=OutsideText("file", _name(item), cleaned(text, reach)),
            limits=settings,
            is_cut=len(text) > reach,
        )

    async def _document(
        self, item: MediaItem, kind: Literal["pdf", "html"], asker: Asker
    ) -> _Found:
        settings = self._settings.document
        if not settings.enabled:
            raise _off("tools.media.document.enabled")
        data = await self._media.read(item.id, max_bytes=settings.max_bytes)
        reach = self._summariser.reach(settings, asker)
        job = Job(kind, max_chars=reach, max_pages=settings.max_pages)
        reading = await self._child.read(data, job, timeout_s=float(settings.timeout_seconds))
        if not reading.text.strip():
            raise NotUnderstood(
                "holds no text that can be taken out, only pictures perhaps", outcome="refused"
            )
        text = OutsideText("document", _name(item), cleaned(_whole(reading), reach))
        return _Found("document", text=text, limits=settings, is_cut=reading.is_cut)

    def _page(self, url: str, asker: Asker) -> Callable[[], Awaitable[_Found]]:
        async def read() -> _Found:
            settings = self._link_settings
            reach = self._summariser.reach(settings, asker)
            reading = await self._links.read(url, structs.replace(settings, max_chars=reach))
            text = OutsideText("page", url, cleaned(_whole(reading), reach))
            if not text.text:
                raise NotUnderstood("shows no text without its scripts", outcome="refused")
            return _Found("link", text=text, limits=settings, is_cut=reading.is_cut)

        return read


async def _all(work: Sequence[Awaitable[_Found]]) -> list[_Found]:
    """All results in the order of `work`."""

    async def one(waiting: Awaitable[_Found]) -> _Found:
        return await waiting

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(waiting)) for waiting in work]
    return [task.result() for task in tasks]


def _fitting(images: Sequence[ImagePart]) -> tuple[tuple[ImagePart, ...], int]:
    """The first pictures that fit together into a request, and how many do not."""
    kept: list[ImagePart] = []
    n_chars = 0
    for image in images:
        n_chars += len(image.data)
        if n_chars <= _MAX_IMAGE_CHARS:
            kept.append(image)
    return tuple(kept), len(images) - len(kept)


def _texts(found: Sequence[_Found], *, is_blank: bool) -> list[OutsideText]:
    """What was read. A recording without a word beside it is the message, not data about it.

    One that was heard roughly is data all the same: nobody should act on misheard words.
    """
    return [
        replace(
            one.text,
            is_message=is_blank and one.kind == "audio" and one.text.kind != _ROUGH,
        )
        for one in found
        if one.text is not None
    ]


def _fitted(texts: Sequence[OutsideText], room_chars: int) -> list[OutsideText]:
    """The texts, cut where they are too long together."""
    lengths = fair_lengths([len(one.text) for one in texts], room_chars)
    return [
        replace(one, text=cleaned(one.text, length))
        for one, length in zip(texts, lengths, strict=True)
    ]


async def _unknown() -> _Found:
    raise NotUnderstood("is of a kind that cannot be read here", outcome="refused")


def _off(setting: str) -> NotUnderstood:
    return NotUnderstood(f"was not looked at: {setting} is off", outcome="refused")


def _kind(item: MediaItem) -> str:
    """The label of the metric, from a closed set."""
    return "document" if item.content_type == "application/pdf" else item.kind.value


def _name(item: MediaItem) -> str:
    return item.filename or item.content_type


def _shown(item: MediaItem) -> str:
    """What we call it in our own sentences: never by the name that its sender chose."""
    return f"An attached file ({item.content_type})"


def _whole(reading: Reading) -> str:
    return f"{reading.title}\n\n{reading.text}" if reading.title else reading.text
