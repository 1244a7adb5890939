"""Advisories about writing the configuration, and about what its hash gives away."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carapace.agent.onboarding.texts import service_text
from carapace.config.load import Overrides
from carapace.config.paths import Paths
from carapace.config.service import ConfigService
from carapace.errors import Refused

SECRET = "hunter2-from-the-environment"


@pytest.fixture
def paths(tmp_path):
    found = Paths(tmp_path / "conf" / "carapace.json", tmp_path / "state")
    found.config_path.parent.mkdir()
    return found


def opened(paths, text, **environment):
    paths.config_path.write_text(text)
    return ConfigService(paths, Overrides(environment))


@pytest.mark.parametrize("path", ["/etc/passwd", "../outside.json", "./link.json"])
def test_adv_h01_a_client_cannot_have_other_files_read(paths, path):
    """Neither their text nor the place of their first odd word comes back."""
    outside = paths.config_path.parent.parent / "outside.json"
    outside.write_text("verysecret")
    (paths.config_path.parent / "link.json").symlink_to(outside)
    service = opened(paths, "{}")
    for draft in (service.draft, service.draft_patch):
        with pytest.raises(Refused) as caught:
            draft(f"{{$include: '{path}'}}", base_hash=service.snapshot().hash)
        assert "verysecret" not in str(caught.value.message) + str(caught.value.details)
        assert "root:" not in str(caught.value.message) + str(caught.value.details)
    assert paths.config_path.read_text() == "{}"


async def test_adv_h01_what_an_operator_included_stays_included(paths, tmp_path):
    outside = tmp_path / "shared.json"
    outside.write_text("{logging: {level: 'warn'}}")
    service = opened(paths, f"{{$include: '{outside}'}}")
    assert service.settings.logging.level == "warn"
    await service.commit(
        service.draft_patch("{gateway: {port: 5}}", base_hash=service.snapshot().hash)
    )
    assert service.settings.logging.level == "warn"
    assert service.settings.gateway.port == 5


async def test_adv_h02_a_variable_stays_a_variable_through_every_write(paths):
    service = opened(paths, "{models: {providers: {p: {apiKey: '${KEY}'}}}}", KEY=SECRET)
    shown = service.snapshot()
    await service.commit(service.draft_patch("{gateway: {port: 5}}", base_hash=shown.hash))
    assert "${KEY}" in paths.config_path.read_text()
    shown = service.snapshot()
    form = str(shown.config).replace("'", '"')  # a form sends back the values it was shown
    assert SECRET not in form
    await service.commit(service.draft(form, base_hash=shown.hash))
    assert "${KEY}" in paths.config_path.read_text()
    assert SECRET not in paths.config_path.read_text()


def test_adv_q03_the_hash_is_no_oracle_for_secrets(paths):
    texts = [f"{{gateway: {{auth: {{token: '{one}'}}}}}}" for one in ("guess", "another")]
    seen = [bytes(opened(paths, text).payload()) for text in texts]
    assert seen[0] == seen[1]


def words_of(unit: str) -> list[str]:
    """What systemd makes of the ExecStart line: words, escapes, `%` and `$`."""
    [line] = re.findall(r"^ExecStart=(.*)$", unit, re.MULTILINE)
    words = re.findall(r'"((?:[^"\\]|\\.)*)"', line)
    assert " ".join(f'"{word}"' for word in words) == line
    back = {"n": "\n", "r": "\r"}
    plain = [re.sub(r"\\(.)", lambda found: back.get(found[1], found[1]), word) for word in words]
    return [word.replace("%%", "%").replace("$$", "$") for word in plain]


@given(st.lists(st.text("a \"'\\%$\n\r;[]=", min_size=1), min_size=1, max_size=3))
def test_adv_h05_a_unit_says_what_it_was_given(words):
    assert words_of(service_text("systemd", words)) == words
