"""The help texts: made once by cyclopts and packaged, so that asking for help imports nothing.

Laying out a page costs cyclopts and rich a quarter of a second each time; the texts change
only with the code, so they are generated (`just generate`) and a test holds them current.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cyclopts import App

__all__ = ["document", "packaged"]

_FILE: Final = Path(__file__).with_name("help.json")
_COLUMNS: Final = 80
_FLAGS: Final = frozenset({"--help", "-h"})


def packaged(words: list[str]) -> str | None:
    """The text that `cara WORDS` asks for; None if it asks for none, or there is none."""
    if not words or words[-1] not in _FLAGS:
        return None
    texts: dict[str, str] = json.loads(_FILE.read_text("utf-8"))
    return texts.get(" ".join(words[:-1]))


def document() -> str:
    """`help.json`: the text of each verb and sub-command, keyed by what is typed."""
    from carapace.cli.main import build  # noqa: PLC0415 - the heavy half, for the generator alone

    whole = build()
    texts = {" ".join(words): _text(whole, words) for words in _commands(whole, ())}
    return json.dumps(texts, indent=1, ensure_ascii=False) + "\n"


def _commands(app: App, above: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for name in app:
        if not name.startswith("-"):
            yield (*above, name)
            yield from _commands(app[name], (*above, name))


def _text(app: App, words: tuple[str, ...]) -> str:
    from rich.console import Console  # noqa: PLC0415 - as in `document`

    console = Console(width=_COLUMNS, no_color=True, force_terminal=False, legacy_windows=False)
    with console.capture() as captured:
        app.help_print(list(words), console=console)
    lines = (line.rstrip() for line in captured.get().splitlines())
    return "\n".join(lines).strip("\n") + "\n"
