"""How every cyclopts app of ours behaves: errors are raised, results returned."""

from __future__ import annotations

from cyclopts import App

from carapace import __version__

__all__ = ["new_app"]


def new_app(name: str, *, help: str) -> App:  # noqa: A002 - the library's own word
    """An app that leaves printing of errors and exit codes to `main`."""
    return App(
        name=name,
        help=help,
        version=__version__,
        help_format="markdown",
        exit_on_error=False,
        print_error=False,
        result_action="return_value",
        suppress_keyboard_interrupt=False,
    )
