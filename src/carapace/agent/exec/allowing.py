"""Whether a pattern of the approvals document stands for a command. Pure but for links.

A pattern is an exact command: there are no wildcards and no list of harmless programs, because
what made those harmless never held (advisory L01). What no rule here knows, stands for nothing:
a pattern of the Node gateway such as `~/bin/*` is kept and allows nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

import msgspec

from carapace.agent.exec.document import DIGEST_PREFIX
from carapace.agent.exec.types import Command

__all__ = ["is_allowed", "is_granted"]


def is_allowed(command: Command, patterns: Iterable[str]) -> bool:
    """Whether one of the patterns is exactly this command; never for a carrier."""
    if command.is_carrier:
        return False
    given = tuple(patterns)
    return is_granted(command.digest, given) or any(_fits(one, command) for one in given)


def is_granted(digest: str, patterns: Iterable[str]) -> bool:
    """Whether a person allowed what `digest` stands for."""
    return DIGEST_PREFIX + digest in patterns


def _fits(pattern: str, command: Command) -> bool:
    argv = _argv(pattern)
    if not argv or "\0" in argv[0] or not os.path.isabs(argv[0]):  # noqa: PTH117 - a text, not yet a path
        return False
    return os.path.realpath(argv[0]) == str(command.path) and (tuple(argv[1:]) == command.argv[1:])


def _argv(pattern: str) -> Sequence[str]:
    """A JSON list as it is; any other text is a program without arguments."""
    if not pattern.startswith("["):
        return (pattern,)
    try:
        return msgspec.json.decode(pattern, type=tuple[str, ...])
    except msgspec.DecodeError:
        return ()
