"""Which names of keys are those of secrets, where no setting says so.

Plugins bring settings that this gateway does not know. Their secrets are told by their names
alone, before and after the plugin is installed; a plugin whose secrets have other names is not
run (`docs/explain/plugins.md`).
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["SECRET_ENDINGS", "names_secret"]

SECRET_ENDINGS: Final = (
    "token",
    "password",
    "passphrase",
    "passcode",
    "secret",
    "apikey",
    "privatekey",
    "accesskey",
    "encryptkey",
    "signingkey",
    "credential",
    "credentials",
    "cookie",
    "cookies",
)
_NOT_LETTERS: Final = re.compile(r"[^a-z]")


def names_secret(name: str) -> bool:
    """Whether a value under this name is one to hide: `botToken`, `app_secret`, `API-KEY`."""
    return _NOT_LETTERS.sub("", name.lower()).endswith(SECRET_ENDINGS)
