"""`cron.*`: jobs that start by the clock."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from carapace.config.settings.setting import Section, setting

__all__ = ["CronSettings"]


class CronSettings(Section, frozen=True):
    """Jobs that start by the clock."""

    enabled: Annotated[
        bool, setting("Start jobs when they are due; otherwise only by hand.", live=True)
    ] = True
    max_concurrent_runs: Annotated[
        Annotated[int, msgspec.Meta(ge=1, le=64)],
        setting("Turns of jobs that may run at once.", live=True),
    ] = 2
    catch_up: Annotated[
        Literal["once", "skip"],
        setting(
            "What becomes of times that passed while the gateway did not run: `once` runs a job "
            "once for all of them, `skip` waits for its next time.",
            live=True,
        ),
    ] = "once"
