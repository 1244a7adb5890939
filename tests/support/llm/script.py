"""What a scripted model says: a pure function of the request, the same in every dialect.

Directives in the newest user text:

    [[say:TEXT]]          answer exactly TEXT
    [[tool:NAME {json}]]  call tool NAME first; once its result is there, "Tool said: <result>"
    [[tokens:N]]          answer with N numbered words
    [[delay:MS]]          wait before the first byte; [[gap:MS]] waits between words
    [[error:STATUS]]      answer with that HTTP status; [[retry:S]] adds Retry-After
    [[think:TEXT]]        reason with TEXT first
    [[hang]]              one word, then silence until the client goes away
    [[cached:N]]          N of the input tokens came from the prompt cache
    [[cut]]               one word, then the connection breaks
    [[garbage]]           one word, then a line that is no JSON
    [[nostop]]            all words, but the stream ends without saying why

Without one: "Echo: <user text, at most 200 characters>".
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

__all__ = ["CREATED", "Asked", "Counts", "Dialect", "Script", "Sent", "dumps", "halves", "text_of"]

_DIRECTIVE = re.compile(
    r"\[\[(say|tool|tokens|delay|gap|error|retry|think|hang|cached|cut|garbage|nostop)"
    r"(?::(.*?))?\]\]",
    re.DOTALL,
)
CREATED = 1_700_000_000


def dumps(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def text_of(content: object) -> str:
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    texts = [part.get("text") for part in content if isinstance(part, dict)]
    return "\n".join(text for text in texts if isinstance(text, str))


class Asked(NamedTuple):
    """What every dialect's request comes down to."""

    user: str
    tool_result: str | None
    tools: frozenset[str]


@dataclass(frozen=True, slots=True)
class Script:
    """What to answer and how badly to behave while doing so."""

    id: str
    text: str
    think: str
    tool: tuple[str, dict[str, Any]] | None
    delay_s: float
    gap_s: float
    error_status: int
    retry_after: str
    cached: int
    flaws: frozenset[str]

    @property
    def words(self) -> list[str]:
        return re.findall(r"\S+\s*|\s+", self.text)

    @classmethod
    def of(cls, asked: Asked) -> Script:
        found = {m[1]: m[2] or "" for m in _DIRECTIVE.finditer(asked.user)}
        tool = None if asked.tool_result is not None else _tool_call(found, asked.tools)
        seed = asked.user + str(asked.tool_result)
        return cls(
            id=hashlib.sha256(seed.encode()).hexdigest()[:24],
            text="" if tool else _answer(asked, found),
            think=found.get("think", ""),
            tool=tool,
            delay_s=float(found.get("delay") or 0) / 1000,
            gap_s=float(found.get("gap") or 0) / 1000,
            error_status=int(found.get("error") or 0),
            retry_after=found.get("retry", ""),
            cached=int(found.get("cached") or 0),
            flaws=frozenset(found) & {"hang", "cut", "garbage", "nostop"},
        )


def _tool_call(found: dict[str, str], tools: frozenset[str]) -> tuple[str, dict[str, Any]] | None:
    if "tool" not in found:
        return None
    name, _, raw = found["tool"].strip().partition(" ")
    if tools and name not in tools:
        return None
    try:
        return name, json.loads(raw or "{}")
    except ValueError:
        return name, {}


def _answer(asked: Asked, found: dict[str, str]) -> str:
    if asked.tool_result is not None:
        return "Tool said: " + asked.tool_result.strip()[:400]
    if "say" in found:
        return found["say"]
    if "tokens" in found:
        return " ".join(f"w{n}" for n in range(int(found["tokens"])))
    return "Echo: " + _DIRECTIVE.sub("", asked.user).strip()[:200]


class Counts(NamedTuple):
    """Token counts as made up from sizes; `fresh` excludes `cached`."""

    fresh: int
    cached: int
    output: int

    @classmethod
    def of(cls, body: dict[str, Any], script: Script) -> Counts:
        total = max(1, len(dumps(body)) // 4)
        return cls(total - script.cached, script.cached, max(1, len(script.words) or 8))


class Sent(NamedTuple):
    """One server-sent event; `is_word` where a word of the answer is in it."""

    data: dict[str, Any]
    is_word: bool = False
    ends: bool = False
    name: str | None = None

    def wire(self) -> bytes:
        head = f"event: {self.name}\n" if self.name else ""
        return f"{head}data: {dumps(self.data)}\n\n".encode()


def halves(text: str) -> list[str]:
    middle = len(text) // 2
    return [text[:middle], text[middle:]] if middle else [text]


class Dialect(NamedTuple):
    """How one vendor asks and is answered."""

    ask: Callable[[dict[str, Any]], Asked]
    stream: Callable[[dict[str, Any], Script], Iterator[Sent]]
    whole: Callable[[dict[str, Any], Script], dict[str, Any]]
    says_done: bool = False
