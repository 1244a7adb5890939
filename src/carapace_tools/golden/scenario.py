"""The order in which recorded exchanges are asked again, and what may differ.

A scenario is a TOML file beside the traces:

    [[rule]]                      # see carapace_tools.golden.matching.Rule
    path = "*.ts"
    how = "type"
    reason = "time of the recording"

    [[step]]
    trace = "health"              # file name of the trace
    case = "ok"
    nth = 0                       # which one, where several cases have one name
    on = "main"                   # "main": the signed-in connection; "fresh": a new one;
                                  # "raw": a new one on which the recorded frame is the first;
                                  # "pair": asked on a new one, while the main one listens
    device = { identity = "a", version = "v2", tamper = "signature" }
    headers = { "X-Forwarded-For" = "10.0.0.9" }
    rewrite = { "params.message" = "..." }       # "@repeat:x:1000" is a thousand x
    why = "reason of the rewrite"
    differs = "why the answer would differ if it were asked as recorded"
    before = [ { method = "chat.send", params = { ... } },
               { knock = "b", request_id = "..." } ]   # a device from elsewhere that has to wait
    meanwhile = [ { method = "m" } ]        # asked between the request and its answer
    joins = "phone"               # this node connects before the step; `leaves`: it goes
    binds = { "responses.0.payload.requestId" = "..." }   # what the recording calls this value

A scenario may have nodes; a step with `on = "node"` is asked on the connection of the last one
that joined. What a node was recorded to answer is sent by itself when it is asked; the step that
repeats that answer compares how it was taken.

    [devices]                     # ids of the recording, and whose they are today
    "eef3..." = "phone-key"

    [[node]]
    name = "phone"
    identity = "phone-key"
    client = { id = "node-host", ... }
    commands = ["camera.snap"]
    answers = { "inv-True" = "ok" }     # idempotency key: case of node.invoke.result

Scenarios that want a gateway of their own lie beside each other and name the file whose rules
hold for all of them:

    rules_of = "../scenario.toml" # its rules hold too; those of this file are looked at first

    [config.hooks]                # what the gateway's configuration has to say besides the common
    enabled = true

    plugins = ["whatsapp"]        # ids of channel plugins that the gateway has to have installed

`<HERE>` in a text of `config` stands for the folder of the scenario file.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Literal

import msgspec

from carapace_tools.golden.matching import Rule

__all__ = ["DeviceRecipe", "NodeScript", "Preparation", "Scenario", "Step", "load_scenario"]


class DeviceRecipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How to sign in again where the recording had a device."""

    identity: str = "a"
    version: Literal["v1", "v2", "v3"] = "v2"
    tamper: Literal["", "id", "signature", "old", "nonce"] = ""
    token: Literal["shared", "device", "none"] = "shared"  # noqa: S105 - which kind, not a secret


class Preparation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something done before the step.

    Either a request, whose first answer must be ok; `until` says what else is awaited: the first
    text of the run it started, or its end; with `sent` nothing is, not even the answer. Or a
    stranger's device that knocks from elsewhere and has to wait for approval; what the recording
    calls its request is bound to `request_id`.
    """

    method: str = ""
    params: dict[str, Any] = {}
    until: Literal["answer", "delta", "final", "sent"] = "answer"
    knock: str = ""
    request_id: str = ""


class NodeScript(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A node that takes part: `answers` are cases of `node.invoke.result` by idempotency key."""

    name: str
    identity: str
    client: dict[str, str]
    caps: list[str] = []
    commands: list[str] = []
    permissions: dict[str, bool] = {}
    answers: dict[str, str] = {}


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One exchange to repeat."""

    trace: str
    case: str
    nth: int = 0
    on: Literal["main", "fresh", "raw", "pair", "node"] = "main"
    device: DeviceRecipe | None = None
    headers: dict[str, str] = {}
    rewrite: dict[str, Any] = {}
    why: str = ""
    differs: str = ""
    before: list[Preparation] = []
    meanwhile: list[Preparation] = []
    joins: str = ""
    leaves: str = ""
    binds: dict[str, str] = {}


class Scenario(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Steps in order and the rules that hold for them."""

    step: list[Step]
    rule: list[Rule] = []
    rules_of: str = ""
    config: dict[str, Any] = {}
    plugins: list[str] = []
    node: list[NodeScript] = []
    devices: dict[str, str] = {}


def load_scenario(path: Path) -> Scenario:
    """Read a scenario file.

    Raises:
        OSError: If it cannot be read.
        msgspec.ValidationError: If it does not fit; a rewrite without a reason is one case.
    """
    scenario = msgspec.convert(tomllib.loads(path.read_text("utf-8")), Scenario)
    if scenario.rules_of:
        shared = load_scenario(path.parent / scenario.rules_of).rule
        scenario = msgspec.structs.replace(scenario, rule=[*scenario.rule, *shared])
    if scenario.config:
        here = str(path.parent.resolve())
        scenario = msgspec.structs.replace(scenario, config=_placed(scenario.config, here))
    for step in scenario.step:
        if step.rewrite and not step.why:
            raise msgspec.ValidationError(f"{step.trace}: {step.case}: a rewrite needs its reason")
    return scenario


def _placed(value: Any, here: str) -> Any:
    if isinstance(value, dict):
        table: dict[str, Any] = value  # pyright: ignore[reportUnknownVariableType] - TOML
        return {key: _placed(one, here) for key, one in table.items()}
    return value.replace("<HERE>", here) if isinstance(value, str) else value
