"""`wizard.*` as clients see it: steps to show, answers to give."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

__all__ = [
    "WizardAnswer",
    "WizardNext",
    "WizardOption",
    "WizardResult",
    "WizardSession",
    "WizardStart",
    "WizardStarted",
    "WizardStatus",
    "WizardStep",
]

_Text = Annotated[str, Meta(min_length=1)]
_Status = Literal["running", "done", "cancelled", "error"]


class _In(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """What comes in."""


class _Out(msgspec.Struct, rename="camel", omit_defaults=True):
    """What goes out: camel case, absent rather than null."""


class WizardStart(_In):
    """Params of `wizard.start`."""

    mode: Annotated[
        Literal["local", "remote"] | None,
        Meta(description="Only `local`, the default: the gateway that is asked is set up."),
    ] = None
    workspace: Annotated[str | None, Meta(description="Folder for the agent's files.")] = None


class WizardAnswer(_In):
    """An answer to the open step; `value` is true or false, a text, or nothing for a note."""

    step_id: _Text
    value: Any = None


class WizardNext(_In):
    """Params of `wizard.next`; without an answer the open step is given once more."""

    session_id: _Text
    answer: WizardAnswer | None = None


class WizardSession(_In):
    """Params of `wizard.cancel` and `wizard.status`."""

    session_id: _Text


class WizardOption(_Out, kw_only=True):
    """One value to choose."""

    value: str
    label: str
    hint: str | None = None


class WizardStep(_Out, kw_only=True):
    """One step.

    Attributes:
        sensitive: The answer is a secret: do not show it while it is typed.
    """

    id: str
    type: Literal["note", "select", "text", "confirm"]
    title: str | None = None
    message: str
    options: list[WizardOption] | None = None
    initial_value: str | bool | None = None
    placeholder: str | None = None
    sensitive: bool = False
    executor: Literal["client"]


class WizardResult(_Out, kw_only=True):
    """The answer to `wizard.next`: the open step, or how it ended."""

    done: bool
    step: WizardStep | None = None
    status: _Status
    error: str | None = None


class WizardStarted(WizardResult, kw_only=True):
    """The answer to `wizard.start`."""

    session_id: str


class WizardStatus(_Out, kw_only=True):
    """The answer to `wizard.status` and `wizard.cancel`."""

    status: _Status
    error: str | None = None
