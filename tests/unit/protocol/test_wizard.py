"""Steps carry what the apps decode; params are the protocol's."""

from __future__ import annotations

import msgspec
import pytest

from carapace.protocol import wizard as wire


@pytest.mark.parametrize(
    ("struct", "given"),
    [
        (wire.WizardStart, {"mode": "moon"}),
        (wire.WizardStart, {"more": 1}),
        (wire.WizardNext, {}),
        (wire.WizardNext, {"sessionId": ""}),
        (wire.WizardNext, {"sessionId": "s", "answer": {"value": 1}}),
        (wire.WizardNext, {"sessionId": "s", "answer": {"stepId": "", "value": 1}}),
        (wire.WizardSession, {"sessionId": "s", "answer": 1}),
    ],
)
def test_what_does_not_fit_is_refused(struct, given):
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(msgspec.json.encode(given), type=struct)


@pytest.mark.parametrize("value", [True, "text", 3, None, ["a"], {"b": 1}])
def test_any_value_is_an_answer_for_the_machine_to_judge(value):
    given = {"sessionId": "s", "answer": {"stepId": "t", "value": value}}
    params = msgspec.json.decode(msgspec.json.encode(given), type=wire.WizardNext)
    assert params.answer is not None
    assert params.answer.value == value


def test_a_step_has_the_fields_that_clients_need_and_no_empty_ones():
    step = wire.WizardStep(id="i", type="note", title="T", message="", executor="client")
    result = wire.WizardStarted(session_id="s", done=False, step=step, status="running")
    assert msgspec.to_builtins(result) == {
        "sessionId": "s",
        "done": False,
        "status": "running",
        "step": {"id": "i", "type": "note", "title": "T", "message": "", "executor": "client"},
    }
