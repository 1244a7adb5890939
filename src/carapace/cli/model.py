"""`cara model`: list, pull, use."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from carapace.agent.weights.manifest import MANIFEST
from carapace.agent.weights.speech import SPEECH_NAME
from carapace.cli.options import DEFAULT_PLACE, Place
from carapace.cli.output import as_json, megabytes, show, table
from carapace.cli.pulling import library_of, pull_model, pull_speech
from carapace.cli.shell import new_app
from carapace.cli.target import load_config, paths_of
from carapace.cli.trouble import Trouble
from carapace.clock import SystemClock
from carapace.config import edit
from carapace.config.paths import Paths

__all__ = ["app"]

app: Final = new_app("model", help="The embedded model: list, pull, use.")
_KEY: Final = "models.embedded.model"
_PRIMARY: Final = "agents.defaults.model.primary"


@app.default
@app.command(name="list")
def list_models(*, place: Place = DEFAULT_PLACE) -> None:
    """List the models that can be fetched and those that are here."""
    paths = paths_of(place)
    settings = load_config(paths).settings
    used = settings.models.embedded.model if settings else None
    installed = {model.name: model for model in library_of(paths).installed()}
    rows: list[dict[str, object]] = [
        {
            "name": name,
            "installed": name in installed,
            "used": name == used,
            "sizeBytes": installed[name].size_bytes
            if name in installed
            else MANIFEST[name].size_bytes,
            "title": MANIFEST[name].title if name in MANIFEST else str(installed[name].path),
        }
        for name in sorted({*MANIFEST, *installed})
    ]
    if place.json:
        as_json({"models": rows})
        return
    table(
        ("name", "here", "used", "size", "model"),
        [
            (
                row["name"],
                "yes" if row["installed"] else "no",
                "yes" if row["used"] else "",
                megabytes(int(str(row["sizeBytes"]))),
                row["title"],
            )
            for row in rows
        ],
    )


@app.command
def pull(name: str = "", /, *, models_dir: str | None = None, place: Place = DEFAULT_PLACE) -> None:
    """Fetch a model; a second call goes on where the first was broken off.

    Parameters
    ----------
    name
        As in `cara model list`, an https address of a GGUF file, or a file; `whisper-base` is
        the model that turns speech into text. Without it, the one that fits this machine's memory.
    models_dir
        Keep it in this folder instead of that of the gateway.
    """
    from carapace.agent.weights.choose import choose, free_memory_bytes  # noqa: PLC0415

    if name == SPEECH_NAME:
        _pull_speech(place, models_dir)
        return
    model = pull_model(paths_of(place), name or choose(free_memory_bytes()).name, models_dir)
    if place.json:
        as_json(
            {
                "name": model.name,
                "sha256": model.sha256,
                "path": str(model.path),
                "sizeBytes": model.size_bytes,
            }
        )
    else:
        step = "" if models_dir else f" To answer with it: cara model use {model.name}"
        show(f"{model.name} is here ({megabytes(model.size_bytes)}).{step}")


def _pull_speech(place: Place, models_dir: str | None) -> None:
    folder = pull_speech(paths_of(place), models_dir)
    if place.json:
        as_json({"name": SPEECH_NAME, "path": str(folder)})
        return
    show(
        f"{SPEECH_NAME} is here ({folder}). Recordings are turned into text with it once its "
        "engine is installed: pip install faster-whisper"
    )


@app.command
def use(name: str, /, *, place: Place = DEFAULT_PLACE) -> None:
    """Answer with an embedded model from now on.

    Parameters
    ----------
    name
        A model that is here, or the path of a GGUF file.
    """
    paths = paths_of(place)
    value = _known(paths, name)
    clock = SystemClock()
    edit.set_key(paths, os.environ, _KEY, value, clock=clock)
    done = edit.set_key(paths, os.environ, _PRIMARY, f"embedded/{value}", clock=clock)
    if place.json:
        as_json({"model": value, "path": str(done.path)})
    else:
        show(
            f"Answers come from the embedded model {value} now. A running gateway takes it up "
            "at once."
        )


def _known(paths: Paths, name: str) -> str:
    model = library_of(paths).find(name)
    if model is not None:
        return model.name
    path = Path(name).expanduser()
    if path.is_file():
        return str(path.resolve())
    step = f"Fetch it: cara model pull {name}" if name in MANIFEST else "See: cara model list"
    raise Trouble(f"There is no model {name} on this machine.", next_step=step)
