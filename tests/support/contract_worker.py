"""Worker and compiler of a gateway that speaks other versions of the contract than ours.

The real programs; only what they know of versions is changed, as its release would do.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from carapace.plugins.contract_versions import ContractVersions
from carapace.plugins.worker import __main__ as worker
from carapace.plugins.worker import compile as compiler
from carapace.plugins.worker import interfaces

__all__ = ["command"]


def command(program: str, spoken: ContractVersions) -> tuple[str, ...]:
    """How to start it; `program` is `worker` or `compiler`."""
    return (sys.executable, "-P", str(Path(__file__).resolve()), program, str(spoken))


def _versions(text: str) -> ContractVersions:
    newest, *before = (tuple(map(int, one.split("."))) for one in text.split(" and "))
    return ContractVersions(
        (newest[0], newest[1]), (before[0][0], before[0][1]) if before else None
    )


def main(argv: list[str]) -> None:
    program, spoken, *rest = argv
    interfaces.SPOKEN = _versions(spoken)
    if program == "worker":
        os._exit(worker.main(rest))
    compiler.main(rest, sys.stdin.buffer, sys.stdout.buffer)
    os._exit(0)  # a sealed interpreter cannot tidy up


if __name__ == "__main__":
    main(sys.argv[1:])
