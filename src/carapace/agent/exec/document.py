"""The approvals document: what it holds, what it means, how a change is recognised. Pure.

Its shape is that of the Node gateway's `exec-approvals.json`. Three of its fields have no effect
here, on purpose: `askFallback` (no answer is a no), `autoAllowSkills` (advisory L07) and the
socket (nobody listens; its token is never kept).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final

import msgspec

from carapace.protocol.approvals import (
    ApprovalsAgent,
    ApprovalsEntry,
    ApprovalsFile,
    ApprovalsShown,
    ApprovalsSocket,
    Ask,
    Security,
)
from carapace.value import Value

__all__ = [
    "DIGEST_PREFIX",
    "MAX_GRANTS",
    "ExecRules",
    "decode",
    "encode",
    "hash_of",
    "narrowed",
    "rules_of",
    "shown",
    "stamped",
    "with_grant",
]

DIGEST_PREFIX: Final = "digest:"
MAX_GRANTS: Final = 1_000
_EVERYBODY: Final = "*"
_SECURITIES: Final[tuple[Security, ...]] = ("deny", "allowlist", "full")
_ASKS: Final[tuple[Ask, ...]] = ("always", "on-miss", "off")
_DECODER: Final = msgspec.json.Decoder(ApprovalsFile)


class ExecRules(Value, frozen=True):
    """What holds for the commands of one agent.

    Attributes:
        security: The most that may run.
        ask: When a person is asked.
        patterns: Commands that need no asking.
    """

    security: Security
    ask: Ask
    patterns: tuple[str, ...] = ()


def rules_of(file: ApprovalsFile, agent_id: str, *, security: Security, ask: Ask) -> ExecRules:
    """The rules of an agent: the document within what the settings say, the stricter counts.

    Args:
        file: The document; the agent's own part goes before `*`, that before the defaults.
        agent_id: Whose.
        security: Of the settings.
        ask: Of the settings.
    """
    own = file.agents.get(agent_id) or ApprovalsAgent()
    everybody = file.agents.get(_EVERYBODY) or ApprovalsAgent()
    said_security = own.security or everybody.security or file.defaults.security or security
    said_ask = own.ask or everybody.ask or file.defaults.ask or ask
    securities: tuple[Security, ...] = (security, said_security)
    asks: tuple[Ask, ...] = (ask, said_ask)
    return ExecRules(
        security=min(securities, key=_SECURITIES.index),
        ask=min(asks, key=_ASKS.index),
        patterns=tuple(one.pattern for one in (*everybody.allowlist, *own.allowlist)),
    )


def narrowed(rules: ExecRules, security: str | None, ask: str | None) -> ExecRules:
    """The rules within what a session says for itself; words that are none say nothing."""
    securities: list[Security] = [one for one in _SECURITIES if one in {rules.security, security}]
    asks: list[Ask] = [one for one in _ASKS if one in {rules.ask, ask}]
    return ExecRules(security=securities[0], ask=asks[0], patterns=rules.patterns)


def stamped(file: ApprovalsFile, make_id: Callable[[], str]) -> ApprovalsFile:
    """The document as it is kept: entries have ids, the socket has no token."""
    agents = {
        name: msgspec.structs.replace(agent, allowlist=_with_ids(agent.allowlist, make_id))
        for name, agent in file.agents.items()
    }
    path = (file.socket.path or "").strip() if file.socket else ""
    socket = ApprovalsSocket(path=path) if path else None
    return msgspec.structs.replace(file, agents=agents, socket=socket)


def _with_ids(
    entries: tuple[ApprovalsEntry, ...], make_id: Callable[[], str]
) -> tuple[ApprovalsEntry, ...]:
    return tuple(
        entry if entry.id else msgspec.structs.replace(entry, id=make_id()) for entry in entries
    )


def with_grant(file: ApprovalsFile, agent_id: str, entry: ApprovalsEntry) -> ApprovalsFile:
    """The document with one more allowed command; an equal one is replaced, the oldest dropped."""
    agent = file.agents.get(agent_id) or ApprovalsAgent()
    others = tuple(one for one in agent.allowlist if one.pattern != entry.pattern)
    allowlist = (*others, entry)[-MAX_GRANTS:]
    agent = msgspec.structs.replace(agent, allowlist=allowlist)
    return msgspec.structs.replace(file, agents={**file.agents, agent_id: agent})


def shown(file: ApprovalsFile, socket_path: str) -> ApprovalsShown:
    """The document as clients read it; `socket_path` where it names none."""
    socket = file.socket or ApprovalsSocket(path=socket_path)
    return ApprovalsShown(
        socket=ApprovalsSocket(path=socket.path), defaults=file.defaults, agents=file.agents
    )


def encode(file: ApprovalsFile) -> str:
    """The document as text; equal documents are equal text."""
    return msgspec.json.encode(file, order="sorted").decode()


def decode(text: str) -> ApprovalsFile:
    """Back from `encode`."""
    return _DECODER.decode(text)


def hash_of(file: ApprovalsFile) -> str:
    """What a change has to name, so that nobody overwrites what they have not seen."""
    return hashlib.sha256(encode(file).encode()).hexdigest()
