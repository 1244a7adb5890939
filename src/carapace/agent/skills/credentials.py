"""The keys of skills: in the vault, under the skill's key and a declared variable's name.

A skill may only be given variables that it declares, and none that changes how programs start:
otherwise whoever may edit a skill's settings could run code in every program (advisory G15).
"""

from __future__ import annotations

import re
from typing import Final

from carapace.credentials.ports import Vault

__all__ = ["SkillSecrets", "is_reserved"]

_PREFIX: Final = "skill:"
_RESERVED: Final = re.compile(
    r"(?i)(?:LD|DYLD|PYTHON|NODE|NPM|PERL|RUBY|JAVA|GIT|SSH|BASH|GCONV|MALLOC|RUST|GO|CARAPACE"
    r"|OPENCLAW|MOLTBOT|CLAWDBOT)_.*"
    r"|PATH|HOME|SHELL|USER|LOGNAME|PWD|IFS|ENV|TERM|TMPDIR|LANG|LC_.*|EDITOR|VISUAL|PAGER|BROWSER"
    r"|PYTHON[A-Z]*|PERL5.*|RUBYOPT|RUBYLIB|BASHOPTS|SHELLOPTS|PROMPT_COMMAND|CDPATH|XDG_.*"
    r"|.*_PROXY|SSL_CERT_(?:FILE|DIR)|CURL_CA_BUNDLE|REQUESTS_CA_BUNDLE"
)


def is_reserved(variable: str) -> bool:
    """Whether a variable means something to programs in general, so no skill may set it."""
    return _RESERVED.fullmatch(variable) is not None


class SkillSecrets:
    """What is kept for skills. `load` first; after that names are known without asking.

    Args:
        vault: Where it is kept.
    """

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._names: set[tuple[str, str]] = set()

    async def load(self) -> None:
        """Learn what is kept.

        Raises:
            Failed: If the vault cannot be read.
        """
        for name in await self._vault.names():
            key, mark, variable = name.removeprefix(_PREFIX).rpartition(":")
            if name.startswith(_PREFIX) and mark:
                self._names.add((key, variable))

    def has(self, key: str, variable: str) -> bool:
        """Whether a value is kept for this variable of a skill."""
        return (key, variable) in self._names

    def variables(self, key: str) -> tuple[str, ...]:
        """The variables that have a value for this skill, sorted."""
        return tuple(sorted(variable for one, variable in self._names if one == key))

    async def get(self, key: str, variable: str) -> str | None:
        """The value.

        Raises:
            Failed: If the vault cannot be read.
        """
        return await self._vault.get(f"{_PREFIX}{key}:{variable}")

    async def put(self, key: str, variable: str, value: str) -> None:
        """Keep a value; a blank one is forgotten.

        Raises:
            Failed: If it could not be kept.
        """
        name = f"{_PREFIX}{key}:{variable}"
        if value:
            await self._vault.put(name, value)
            self._names.add((key, variable))
        else:
            await self._vault.delete(name)
            self._names.discard((key, variable))
