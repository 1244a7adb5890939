"""`env.*`: variables for `${NAME}` in the file."""

from __future__ import annotations

from typing import Annotated

import msgspec

from carapace.config.settings.setting import Section, setting

__all__ = ["EnvSettings"]


class EnvSettings(Section, frozen=True):
    """Variables for `${NAME}` in the file; the real environment always wins."""

    vars: Annotated[
        dict[str, str],
        setting(
            "Variables by name. They serve substitution and provider keys alone and never "
            "enter the process's environment.",
            live=True,
            secret=True,
        ),
    ] = msgspec.field(default_factory=dict[str, str])
