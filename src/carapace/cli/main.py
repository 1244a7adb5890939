"""The entry point of `cara`: overview and version at once, everything else through cyclopts."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from carapace.cli.help import packaged
from carapace.cli.verbs import VERBS, overview

if TYPE_CHECKING:
    from cyclopts import App

__all__ = ["build", "run"]


def run(words: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        words: The arguments; those of the process if None.

    Returns:
        The exit code: 0 normal, 1 failure, 2 usage, 78 configuration, 130 interrupted.
    """
    given = list(sys.argv[1:] if words is None else words)
    if not given or given in (["--help"], ["-h"], ["help"]):
        print(overview(), end="")
        return 0
    if given in (["--version"], ["-V"]):
        from carapace import __version__  # noqa: PLC0415 - not needed otherwise

        print(__version__)
        return 0
    if (text := packaged(given)) is not None:
        print(text, end="")
        return 0
    if not given[0].startswith("-") and given[0] not in _NAMES:
        return _unknown(given)
    return _guarded(given)


def build() -> App:
    """The whole command as a cyclopts app; verbs are imported when they are called."""
    from carapace.cli.shell import new_app  # noqa: PLC0415 - cyclopts takes a tenth of a second

    app = new_app("cara", help="A hardened, self-hosted gateway for a personal AI assistant.")
    for verb in VERBS:
        app.command(verb.target, name=verb.name)
    return app


def _unknown(words: list[str]) -> int:
    import difflib  # noqa: PLC0415 - for the rare mistake

    from carapace.cli.trouble import USAGE, Trouble, tell  # noqa: PLC0415

    near = difflib.get_close_matches(words[0], _NAMES, n=1)
    step = f"Did you mean: cara {near[0]}" if near else "See: cara --help"
    tell(Trouble(f"There is no verb {words[0]}.", next_step=step), as_json="--json" in words)
    return USAGE


def _guarded(words: list[str]) -> int:
    """Run a verb; what goes wrong is told in what, why, next step."""
    from cyclopts import CycloptsError  # noqa: PLC0415 - as in `build`

    from carapace.cli.trouble import INTERRUPTED, USAGE, Trouble, tell  # noqa: PLC0415
    from carapace.errors import GatewayError  # noqa: PLC0415

    as_json = "--json" in words
    try:
        result: Any = build()(words)
    except CycloptsError as error:
        step = f"See: cara {words[0]} --help" if words[0] in _NAMES else "See: cara --help"
        tell(Trouble(_sentence(error), next_step=step), as_json=as_json)
        return USAGE
    except Trouble as trouble:
        tell(trouble, as_json=as_json)
        return trouble.exit_code
    except GatewayError as error:
        tell(Trouble(error.message), as_json=as_json)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has enough; the interpreter must not complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return result if isinstance(result, int) else 0


_NAMES = frozenset(verb.name for verb in VERBS)


def _sentence(error: Exception) -> str:
    """The library's message on one line."""
    return " ".join(str(error).split()) or "That is not a command."
