"""Where providers look for their keys."""

from __future__ import annotations

import os

from carapace.app.providers import provider_variables
from carapace.config.settings.environment import EnvSettings


def test_providers_find_keys_in_the_file_under_those_of_the_environment():
    settings = EnvSettings(vars={"OPENAI_API_KEY": "file", "XAI_API_KEY": "file"})
    before = dict(os.environ)
    found = provider_variables(settings, {"OPENAI_API_KEY": "real", "XAI_API_KEY": ""})
    assert found == {"OPENAI_API_KEY": "real", "XAI_API_KEY": "file"}
    assert dict(os.environ) == before
