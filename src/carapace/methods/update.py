"""`update.run`: says how this gateway is updated. It never does it itself.

A program that fetches and runs new code because a client asks is the shortest way from a stolen
token to a taken machine, and one that runs under a supervisor or in a container cannot keep what
it fetched. So a person updates, and is told how here.
"""

from __future__ import annotations

import os

import msgspec

from carapace import __version__
from carapace.errors import Refused
from carapace.methods.context import Context
from carapace.methods.installation import Surroundings, find_installation
from carapace.protocol.registry import Methods
from carapace.protocol.scopes import Scope
from carapace.protocol.update import UpdateReport, UpdateRun

__all__ = ["METHODS"]

METHODS = Methods()


@METHODS.method("update.run", scope=Scope.ADMIN)
def update_run(ctx: Context, params: UpdateRun) -> None:  # noqa: ARG001 - row shape
    """Refuse, and say how a person updates this gateway: by git, pip, pipx, uv or a new image."""
    found = find_installation(Surroundings.here(os.environ))
    report = UpdateReport(
        status="skipped",
        mode=found.kind,
        reason="no-self-update",
        root=found.root,
        version=__version__,
        how=found.how,
    )
    raise Refused(
        f"This gateway (version {__version__}) does not update itself. To update it, {found.how}.",
        code="UNAVAILABLE",
        details=msgspec.to_builtins(report),
    )
