"""The questions follow from the answers, and a wrong answer leaves the question open."""

from __future__ import annotations

from typing import Any

import pytest

from carapace.agent.onboarding.machine import NO_CHANNEL, answered, next_question
from carapace.agent.onboarding.types import SERVER, Answers, Choice, Facts, Kind, Question, Source
from carapace.errors import Refused

VENDOR = Source(id="vendor", label="Vendor", wants_key=True, models=(Choice("m1", "M One"),))
KNOWN = Source(id="known", label="Known", wants_key=True, has_key=True, wants_model=True)
LOCAL = Source(id="local", label="Local", models=(Choice("tiny", "tiny"),))
OTHER = Source(id=SERVER, label="Another server", wants_model=True)
FACTS = Facts(
    sources=(LOCAL, VENDOR, KNOWN, OTHER),
    channels=(Choice("zalo", "Zalo"),),
    model="known/m",
    program=("cara", "up"),
)


def open_question(answers: Answers) -> Question:
    question = next_question(FACTS, answers)
    assert question is not None
    return question


def walk(*values: Any, facts: Facts = FACTS) -> tuple[list[str], Answers]:
    """Answer in order; the names of what was asked, and the answers."""
    answers, names = Answers(), list[str]()
    for value in values:
        question = next_question(facts, answers)
        assert question is not None
        names.append(question.name)
        answers = answered(facts, answers, value)
    return names, answers


def refusal(answers: Answers, value: Any) -> str:
    with pytest.raises(Refused) as caught:
        answered(FACTS, answers, value)
    return caught.value.message


def test_a_vendor_wants_a_key_and_a_model():
    names, answers = walk(None, True, "vendor", " key ", "m1", NO_CHANNEL, "hand", None, True, None)
    assert names == [
        "welcome",
        "security",
        "provider",
        "key",
        "model",
        "channel",
        "service",
        "how",
        "agree",
        "done",
    ]
    assert (answers.key, answers.model) == ("key", "m1")
    assert next_question(FACTS, answers) is None
    assert refusal(answers, "more") == "wizard not running"


def test_a_model_on_this_machine_wants_no_key():
    names, _ = walk(None, None, "local", "tiny", "zalo", "systemd", None, True)
    assert "key" not in names
    assert "address" not in names


def test_a_server_wants_an_address_and_may_have_a_key():
    names, answers = walk(None, None, SERVER, "http://127.0.0.1:1/v1", "", "m", NO_CHANNEL)
    assert names[2:6] == ["provider", "address", "key", "model"]
    assert (answers.address, answers.key, answers.model) == ("http://127.0.0.1:1/v1", "", "m")


def test_the_recorded_gateway_begins_alike():
    """A title without a message, then a note named Security: what the recording shows."""
    first = open_question(Answers())
    assert (first.kind, first.message) == (Kind.NOTE, "")
    assert first.title
    _, answers = walk(False)
    second = open_question(answers)
    assert (second.kind, second.title) == (Kind.NOTE, "Security")


def test_the_provider_in_use_is_suggested():
    _, answers = walk(None, None)
    assert open_question(answers).initial == "known"
    unused = Facts(sources=FACTS.sources, model="gone/m")
    asked = next_question(unused, answers)
    assert asked is not None
    assert asked.initial == "local"


def test_a_key_is_asked_for_as_a_secret_and_never_shown():
    _, answers = walk(None, None, "vendor")
    assert open_question(answers).is_secret
    _, answers = walk(None, None, "vendor", "hunter2", "m1", NO_CHANNEL, "hand", None)
    assert "hunter2" not in open_question(answers).message
    assert "hunter2" not in repr(answers)


@pytest.mark.parametrize(
    ("provider", "said"),
    [("known", "Leave it empty to use the one"), (SERVER, "Leave it empty if there is none")],
)
def test_what_an_empty_key_means_is_said(provider, said):
    given = [None, None, provider, *(["http://h/v1"] if provider == SERVER else [])]
    _, answers = walk(*given)
    assert said in open_question(answers).message
    assert answered(FACTS, answers, "").key == ""


def test_the_summary_says_what_will_be_written():
    _, answers = walk(None, None, SERVER, "http://h/v1", "k", "m", "zalo", "container", None)
    text = open_question(answers).message
    for part in ("Another server, m", "http://h/v1", "goes to the vault", "Chat service: zalo"):
        assert part in text
    with_folder = Answers(
        workspace="/w",
        seen=frozenset({"welcome", "security", "how"}),
        provider="local",
        model="tiny",
        channel=NO_CHANNEL,
        service="hand",
    )
    text = open_question(with_folder).message
    assert "Workspace: /w" in text
    assert "Chat service" not in text
    assert "Key" not in text


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ((None, None), "moon", "Choose one of: local, vendor, known, server."),
        ((None, None), None, "An answer is needed"),
        ((None, None), ["local"], "An answer is needed"),
        ((None, None, "vendor"), "", "does nothing without a key"),
        ((None, None, "vendor"), "a\nb", "too long, or has line breaks"),
        ((None, None, "vendor"), "k" * 4_097, "too long, or has line breaks"),
        ((None, None, SERVER), "127.0.0.1:8000", "http:// or https://"),
        ((None, None, SERVER), "http://a:b@h/", "without a password"),
        ((None, None, SERVER), "http://[", "http:// or https://"),
        ((None, None, SERVER, "http://h/v1", "k"), " ", "An answer is needed"),
        ((None, None, "local", "tiny", NO_CHANNEL, "hand", None), "yes", "yes or no"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_way_out(path, value, said):
    _, answers = walk(*path)
    before = open_question(answers)
    assert said in refusal(answers, value)
    assert open_question(answers) == before


def test_no_is_an_answer():
    _, answers = walk(None, None, "local", "tiny", NO_CHANNEL, "hand", None, False)
    assert answers.is_agreed is False
    assert next_question(FACTS, answers) is None
