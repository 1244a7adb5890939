"""Which question comes next, and whether an answer fits: pure, the same for every client."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final
from urllib.parse import urlsplit

from carapace.agent.onboarding.texts import SECURITY, SERVICES, WELCOME, service_text
from carapace.agent.onboarding.types import SERVER, Answers, Choice, Facts, Kind, Question, Source
from carapace.errors import Refused

__all__ = ["NO_CHANNEL", "answered", "next_question"]

NO_CHANNEL: Final = "none"
_MAX_CHARS: Final = 4_096
_NOTES: Final = frozenset({"welcome", "security", "how", "done"})


def next_question(facts: Facts, answers: Answers) -> Question | None:
    """The question that follows from the answers; None after the last."""
    asked = (
        _opening(answers)
        or _about_model(facts, answers)
        or _about_channel(facts, answers)
        or _about_service(facts, answers)
    )
    if asked is not None:
        return asked
    if answers.is_agreed is None:
        return Question(
            name="agree",
            kind=Kind.CONFIRM,
            title="Write it",
            message=_summary(facts, answers),
            initial=True,
        )
    if answers.is_agreed and "done" not in answers.seen:
        return _note("done", "Done", "The gateway is set up. Say hello: cara chat")
    return None


def answered(facts: Facts, answers: Answers, value: Any) -> Answers:
    """The answers with `value` given to the question that is open.

    Raises:
        Refused: If it is no answer to that question; the question stays open.
    """
    question = next_question(facts, answers)
    if question is None:
        raise Refused("wizard not running")
    name = question.name
    if name in _NOTES:
        return replace(answers, seen=answers.seen | {name})
    if name == "agree":
        return replace(answers, is_agreed=_yes_or_no(value))
    text = _text(value)
    if question.kind is Kind.SELECT:
        _need_choice(question, text)
    elif name == "address":
        _need_address(text)
    elif name == "key":
        _need_key(text, _source(facts, answers))
    elif not text:
        raise Refused("An answer is needed here.")
    return replace(answers, **{name: text})


def _opening(answers: Answers) -> Question | None:
    if "welcome" not in answers.seen:
        return _note("welcome", WELCOME, "")
    if "security" not in answers.seen:
        return _note("security", "Security", SECURITY)
    return None


def _about_model(facts: Facts, answers: Answers) -> Question | None:
    source = _source(facts, answers)
    if source is None:
        return Question(
            name="provider",
            kind=Kind.SELECT,
            title="Model",
            message="Who answers?",
            choices=tuple(Choice(one.id, one.label, one.hint) for one in facts.sources),
            initial=_usual_source(facts),
        )
    if source.id == SERVER and answers.address is None:
        return Question(
            name="address",
            kind=Kind.TEXT,
            title="Address",
            message="Where is the server? It has to speak the API of OpenAI.",
            placeholder="http://127.0.0.1:8000/v1",
        )
    if answers.key is None and (source.wants_key or source.id == SERVER):
        return _ask_key(source)
    return _ask_model(source, answers)


def _ask_key(source: Source) -> Question:
    message = f"{source.label}: the key. It is kept in the vault, not in the configuration."
    if source.has_key:
        message += " Leave it empty to use the one that is known."
    elif not source.wants_key:
        message += " Leave it empty if there is none."
    return Question(name="key", kind=Kind.TEXT, title="Key", message=message, is_secret=True)


def _ask_model(source: Source, answers: Answers) -> Question | None:
    if answers.model is not None or not (source.models or source.wants_model):
        return None
    if source.models:
        return Question(
            name="model",
            kind=Kind.SELECT,
            title="Model",
            message="Which model?",
            choices=source.models,
            initial=source.models[0].value,
        )
    return Question(
        name="model",
        kind=Kind.TEXT,
        title="Model",
        message=f"{source.label}: which model? Write its name as it is known there.",
    )


def _about_channel(facts: Facts, answers: Answers) -> Question | None:
    if answers.channel is not None:
        return None
    apps = Choice(NO_CHANNEL, "None for now", "apps, the web page and the command line always work")
    return Question(
        name="channel",
        kind=Kind.SELECT,
        title="Chat service",
        message="Through which chat service do you want to talk to it?",
        choices=(apps, *facts.channels),
        initial=NO_CHANNEL,
    )


def _about_service(facts: Facts, answers: Answers) -> Question | None:
    if answers.service is None:
        return Question(
            name="service",
            kind=Kind.SELECT,
            title="Service",
            message="What keeps the gateway running?",
            choices=SERVICES,
            initial=SERVICES[0].value,
        )
    if "how" not in answers.seen:
        return _note("how", "Service", service_text(answers.service, facts.program))
    return None


def _note(name: str, title: str, message: str) -> Question:
    return Question(name=name, kind=Kind.NOTE, title=title, message=message)


def _source(facts: Facts, answers: Answers) -> Source | None:
    return next((one for one in facts.sources if one.id == answers.provider), None)


def _usual_source(facts: Facts) -> str:
    """The provider in use, if it can be chosen; else the recommended one."""
    used = (facts.model or "").partition("/")[0]
    ids = [one.id for one in facts.sources]
    return used if used in ids else ids[0]


def _summary(facts: Facts, answers: Answers) -> str:
    source = _source(facts, answers)
    lines = [f"Model: {source.label if source else ''}"]
    if answers.model:
        lines[0] += f", {answers.model}"
    if answers.address:
        lines.append(f"Address: {answers.address}")
    if answers.key:
        lines.append("Key: goes to the vault")
    if answers.channel != NO_CHANNEL:
        lines.append(f"Chat service: {answers.channel}")
    if answers.workspace:
        lines.append(f"Workspace: {answers.workspace}")
    return "\n".join(["Write this into the configuration?", *lines])


def _text(value: Any) -> str:
    """A text without blanks around it; what a form may send for one is taken."""
    if value is None or isinstance(value, dict | list):
        raise Refused("An answer is needed here.")
    text = str(value).strip()
    if len(text) > _MAX_CHARS or any(ord(char) < ord(" ") for char in text):
        raise Refused("That is no answer: it is too long, or has line breaks.")
    return text


def _yes_or_no(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Refused("Answer with yes or no.")
    return value


def _need_choice(question: Question, text: str) -> None:
    known = [one.value for one in question.choices]
    if text not in known:
        raise Refused(f"Choose one of: {', '.join(known)}.")


def _need_address(text: str) -> None:
    try:
        parts = urlsplit(text)
        is_fine = parts.scheme in {"http", "https"} and bool(parts.hostname) and not parts.password
    except ValueError:
        is_fine = False
    if not is_fine:
        raise Refused("Write an address with http:// or https:// in front, without a password.")


def _need_key(text: str, source: Source | None) -> None:
    if not text and source is not None and source.wants_key and not source.has_key:
        raise Refused(f"{source.label} does nothing without a key.")
