"""`agents.list[].tools.exec.*`: what one agent's commands may do, within `tools.exec`."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from carapace.config.settings.setting import Section, setting

__all__ = ["AgentExec"]

_Seconds = Annotated[int, msgspec.Meta(ge=1, le=3_600)]


class AgentExec(Section, frozen=True):
    """Commands of one agent; of two settings the stricter counts."""

    host: Annotated[
        Literal["sandbox", "gateway", "node"] | None,
        setting(
            "Where they run. `node` lets none run here; `sandbox` is the fence of "
            "`tools.exec.sandbox`, which is set for all agents.",
            live=True,
        ),
    ] = None
    security: Annotated[
        Literal["deny", "allowlist", "full"] | None,
        setting(
            "Which may run, at most what `tools.exec.security` lets run. With `deny` this agent's "
            "models are offered no commands.",
            live=True,
        ),
    ] = None
    ask: Annotated[
        Literal["off", "on-miss", "always"] | None,
        setting("When a person is asked, at least as often as `tools.exec.ask` says.", live=True),
    ] = None
    timeout_sec: Annotated[
        _Seconds | None,
        setting(
            "Seconds after which a command is ended, whatever a model asks for, at most what "
            "`tools.exec.timeoutSec` says.",
            live=True,
        ),
    ] = None
