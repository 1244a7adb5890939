from __future__ import annotations

import pytest

from carapace.agent.providers.local_select import select
from carapace.agent.providers.ports import ProviderError
from carapace.agent.weights.library import Library
from carapace.agent.weights.manifest import SMALL
from carapace.config.settings.models import EmbeddedSettings


@pytest.fixture
def library(tmp_path):
    return Library(tmp_path)


def put_small(library):
    with library.path_of(SMALL.sha256).open("wb") as file:
        file.write(b"GGUF")
        file.truncate(SMALL.size_bytes)


def test_nothing_here_says_what_to_fetch(library):
    with pytest.raises(ProviderError, match="cara model pull starter"):
        select("", EmbeddedSettings(), library)


def test_the_one_that_is_here_is_taken_where_the_wanted_one_is_not(library):
    put_small(library)
    name, start = select("starter", EmbeddedSettings(context_tokens=1_000_000, threads=3), library)
    assert name == "small"
    assert (start.context_tokens, start.threads) == (SMALL.context_tokens, 3)
    assert start.chat_template == "chatml"


def test_a_file_can_be_set(library, tmp_path):
    path = tmp_path / "own.gguf"
    path.write_bytes(b"GGUF")
    name, start = select("", EmbeddedSettings(model=str(path), context_tokens=600), library)
    assert (name, start.model_path, start.chat_template) == ("own", str(path), None)
    assert start.context_tokens == 600
    assert start.threads >= 1


def test_what_is_no_model_is_not_loaded(library, tmp_path):
    path = tmp_path / "own.gguf"
    path.write_bytes(b"MZ")
    with pytest.raises(ProviderError, match="not a GGUF"):
        select("", EmbeddedSettings(model=str(path)), library)
