"""Skills on the wire."""

from __future__ import annotations

import msgspec
import pytest

from carapace.protocol.skills import SkillInstall, SkillInstalled, SkillUpdate


def test_params_take_nothing_else():
    for kind in (SkillInstall, SkillUpdate):
        with pytest.raises(msgspec.ValidationError, match="surprise"):
            msgspec.convert({"surprise": 1}, kind)


def test_a_result_has_all_fields_even_where_there_is_nothing_to_say():
    told = msgspec.to_builtins(SkillInstalled(ok=False, message="no"))
    assert told == {"ok": False, "message": "no", "stdout": "", "stderr": "", "code": None}
