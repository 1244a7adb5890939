"""Files of a message from the real store through real children to what a model gets."""

from __future__ import annotations

import io
from base64 import b64decode
from pathlib import Path

import pytest
from aiohttp import web
from PIL import Image

from carapace.agent.budget import Budget
from carapace.agent.understanding.charges import Charges
from carapace.agent.understanding.child import ChildReader
from carapace.agent.understanding.describe import Describer
from carapace.agent.understanding.links import LinkReader
from carapace.agent.understanding.prepare import Understanding
from carapace.agent.understanding.side_question import SideQuestions
from carapace.agent.understanding.summarise import Summariser
from carapace.agent.understanding.transcribe import Transcribers
from carapace.clock import SystemClock
from carapace.config.settings.agents import AgentsSettings
from carapace.config.settings.media import MediaSettings
from carapace.config.settings.understanding import LinkReading, MediaReading
from carapace.media.images import Images
from carapace.media.store import MediaStore
from carapace.telemetry.metrics import Metrics
from support.database import memory_database
from support.documents import pdf, wav
from support.egress import make_egress, serving
from support.scripted_provider import ScriptedProvider
from support.understanding import SeeingModels, asker, target

pytestmark = pytest.mark.slow


def photo() -> bytes:
    """A JPEG that says where it was taken."""
    exif = Image.Exif()
    exif[0x010E] = "the secret garden"
    out = io.BytesIO()
    Image.new("RGB", (64, 32), "red").save(out, "JPEG", exif=exif)
    return out.getvalue()


async def test_every_kind_of_file_and_a_link_reach_the_model(tmp_path: Path):
    clock, metrics = SystemClock(), Metrics("0", with_process=False)
    egress, trail = make_egress(tmp_path)

    async def page(request: web.Request) -> web.Response:
        body = "<title>Menu</title><script>steal()</script><p>Soup of the day"
        return web.Response(text=body, content_type="text/html")

    async with memory_database() as database, serving(web.get("/menu", page)) as port:
        store = await MediaStore.open(
            tmp_path / "media",
            database,
            settings=MediaSettings(),
            clock=clock,
            audit=trail.audit,
            metrics=metrics,
        )
        child = ChildReader()
        budget = Budget(database, clock, AgentsSettings(), audit=trail.audit, metrics=metrics)
        models = SeeingModels([target(ScriptedProvider())])
        charges = Charges(budget, database, clock)
        questions = SideQuestions(charges, clock)
        understanding = Understanding(
            media=store,
            pictures=Images(store, audit=trail.audit),
            child=child,
            links=LinkReader(egress, child, hosts=frozenset({("127.0.0.1", port)})),
            describer=Describer(models, questions),
            summariser=Summariser(models, questions, metrics),
            transcribers=Transcribers(
                tuple, http_client=lambda _: None, child=child, clock=clock, charges=charges
            ),
            settings=MediaReading(),
            link_settings=LinkReading(),
            metrics=metrics,
        )
        try:
            items = [
                await store.put_bytes(data, filename=name)
                for data, name in (
                    (photo(), "photo.jpg"),
                    (pdf("Rent is due on Monday"), "letter.pdf"),
                    (b"Buy milk.\n", "list.txt"),
                    (wav(seconds=0.3)[:-9_600] + bytes(9_600), "silence.wav"),
                    (b"PK\x03\x04" + bytes(60), "x.zip"),
                )
            ]
            told = await understanding.prepare(
                f"what is all this? http://127.0.0.1:{port}/menu", items, asker()
            )
        finally:
            await store.aclose()
    (image,) = told.images
    data = b64decode(image.data)
    assert Image.open(io.BytesIO(data)).size == (64, 32)
    assert b"secret garden" not in data
    for words in ("Rent is due on Monday", "Buy milk.", "Menu\n\nSoup of the day"):
        assert words in told.extra_text
    assert "steal()" not in told.extra_text
    notes = " ".join(told.notes)
    assert "has no words in it" in notes
    assert "of a kind that cannot be read here" in notes
