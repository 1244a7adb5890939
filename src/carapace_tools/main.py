"""`cara-tools`: checks of a gateway from outside, ours or another's.

`cara-tools golden replay --against ws://HOST:PORT/ --token TOKEN FOLDER` asks what was recorded.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Final

from carapace_tools.generate import main as generate
from carapace_tools.golden.__main__ import main as golden_replay

__all__ = ["main", "run"]

_VERBS: Final[dict[tuple[str, ...], Callable[[list[str]], int]]] = {
    ("golden", "replay"): golden_replay,
    ("generate",): generate,
}


def main(argv: Sequence[str]) -> int:
    """Run the verb that `argv` begins with; 2 if there is none of that name."""
    for words, verb in _VERBS.items():
        if tuple(argv[: len(words)]) == words:
            return verb(list(argv[len(words) :]))
    known = "; ".join(" ".join(words) for words in _VERBS)
    sys.stderr.write(f"cara-tools knows: {known}. Each explains itself with --help.\n")
    return 2


def run() -> None:
    """What the command calls."""
    raise SystemExit(main(sys.argv[1:]))
