"""`Understanding` with files in memory, a scripted model that looks, and a listener by script."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from carapace.agent.budget import Budget
from carapace.agent.providers.fallback import ModelTarget
from carapace.agent.understanding.charges import Charges
from carapace.agent.understanding.child import ChildReader
from carapace.agent.understanding.describe import Describer
from carapace.agent.understanding.links import LinkReader
from carapace.agent.understanding.ports import Asker
from carapace.agent.understanding.prepare import MAX_TEXT_CHARS, Understanding
from carapace.agent.understanding.side_question import SideQuestions
from carapace.agent.understanding.summarise import Summariser
from carapace.agent.understanding.transcribe import Transcribers
from carapace.agent.understanding.wire import Job, Reading
from carapace.clock import SystemClock
from carapace.config.settings.agents import AgentDefaults, AgentsSettings
from carapace.config.settings.agents import Budget as Caps
from carapace.config.settings.understanding import LinkReading, MediaReading
from carapace.errors import Failed, Refused
from carapace.ids import AgentId, RunId, SessionKey
from carapace.media.types import MediaItem, MediaKind, Picture
from carapace.net.client import Egress
from carapace.provenance import OWNER, Provenance
from carapace.store.ports import Database
from carapace.telemetry.metrics import Metrics
from support.egress import AuditTrail, make_egress
from support.scripted_provider import ScriptedProvider

__all__ = [
    "FileShelf",
    "PlainPictures",
    "Rig",
    "ScriptedChild",
    "SeeingModels",
    "asker",
    "charges",
    "target",
]


class FileShelf:
    """Files by id, read as the media store reads them."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.read_ids: list[str] = []

    def put(
        self, data: bytes, content_type: str, kind: MediaKind, filename: str | None = None
    ) -> MediaItem:
        media_id = f"m-{len(self.files):032x}"
        self.files[media_id] = data
        return MediaItem(
            id=media_id,
            content_type=content_type,
            kind=kind,
            size_bytes=len(data),
            sha256="0" * 64,
            filename=filename,
            created_at_ms=0,
        )

    async def read(self, media_id: str, *, max_bytes: int) -> bytes:
        self.read_ids.append(media_id)
        data = self.files.get(media_id)
        if data is None:
            raise Refused("there is no such file")
        if len(data) > max_bytes:
            raise Refused(f"the file is longer than {max_bytes} bytes")
        return data


class PlainPictures:
    """Gives pictures back as JPEG, or says that it cannot."""

    def __init__(self, shelf: FileShelf, *, is_missing: bool = False) -> None:
        self._shelf = shelf
        self.is_missing = is_missing

    async def render(self, media_id: str, *, max_edge_px: int, max_bytes: int) -> Picture:
        if self.is_missing:
            raise Failed("pictures cannot be opened, because Pillow is not installed")
        data = await self._shelf.read(media_id, max_bytes=max_bytes)
        return Picture(
            data=b"plain " + data, content_type="image/jpeg", width_px=1, height_px=max_edge_px
        )


class ScriptedChild(ChildReader):
    """Answers at once with what a test wrote down, and remembers the jobs."""

    def __init__(self, answer: Reading | Exception) -> None:
        super().__init__()
        self.answer = answer
        self.jobs: list[Job] = []

    async def read(self, data: bytes, job: Job, *, timeout_s: float) -> Reading:
        self.jobs.append(job)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class SeeingModels:
    """`provider/model` by name; the agent's own without one."""

    def __init__(self, own: Sequence[ModelTarget], **named: ModelTarget) -> None:
        self.own = own
        self.named = named

    def resolve(self, model_ref: str | None, agent_id: AgentId) -> Sequence[ModelTarget]:
        if model_ref is None:
            return self.own
        found = self.named.get(model_ref.partition("/")[0])
        if found is None:
            raise Refused(f"The model {model_ref} is not known.")
        return [found, *self.own]


def asker(*, provenance: Provenance = OWNER, takes_images: bool = True) -> Asker:
    return Asker(
        run_id=RunId("r1"),
        session_key=SessionKey("agent:main:main"),
        agent_id=AgentId("main"),
        provenance=provenance,
        takes_images=takes_images,
    )


def target(provider: ScriptedProvider, *, takes_images: bool = True) -> ModelTarget:
    return ModelTarget("fake", "eyes", provider, takes_images=takes_images)


def charges(folder: Path, database: Database, *, daily_tokens: int | None = None) -> Charges:
    """The real ones, under a cap if there is one; lines of the audit trail go to `folder`."""
    settings = AgentsSettings(defaults=AgentDefaults(budget=Caps(daily_tokens=daily_tokens)))
    clock = SystemClock()
    budget = Budget(
        database,
        clock,
        settings,
        audit=AuditTrail(folder).audit,
        metrics=Metrics("0", with_process=False),
    )
    return Charges(budget, database, clock)


class Rig:
    """All parts, to look at."""

    def __init__(
        self,
        tmp_path: Path,
        database: Database,
        *,
        provider: ScriptedProvider | None = None,
        child: ChildReader | None = None,
        link_hosts: frozenset[tuple[str, int]] = frozenset(),
        media: MediaReading | None = None,
        links: LinkReading | None = None,
        sees: bool = True,
        speech_dir: Path | None = Path("speech"),
        room_chars: int = MAX_TEXT_CHARS,
        daily_tokens: int | None = None,
    ) -> None:
        self.shelf = FileShelf()
        self.pictures = PlainPictures(self.shelf)
        self.provider = provider or ScriptedProvider()
        self.child = child or ScriptedChild(Reading("hello"))
        self.metrics = Metrics("0", with_process=False)
        self.database = database
        self.egress: Egress
        self.egress, self.trail = make_egress(tmp_path)
        clock = SystemClock()
        models = SeeingModels([target(self.provider, takes_images=sees)])
        paid = charges(tmp_path, database, daily_tokens=daily_tokens)
        questions = SideQuestions(paid, clock)
        self.understanding = Understanding(
            media=self.shelf,
            pictures=self.pictures,
            child=self.child,
            links=LinkReader(self.egress, self.child, hosts=link_hosts),
            describer=Describer(models, questions),
            summariser=Summariser(models, questions, self.metrics),
            transcribers=Transcribers(
                tuple,
                http_client=lambda _: None,
                child=self.child,
                clock=clock,
                charges=paid,
                speech_dir=lambda: speech_dir,
            ),
            settings=media or MediaReading(),
            link_settings=links or LinkReading(),
            metrics=self.metrics,
            room_chars=lambda _: room_chars,
        )

    def counted(self, kind: str, outcome: str) -> float:
        return self.metrics.understanding.labels(kind, outcome)._value.get()
