"""A model is fetched first only if nothing else could answer."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from carapace.agent.weights.library import Library
from carapace.agent.weights.manifest import SMALL, STARTER
from carapace.cli import first_model
from carapace.cli.first_model import wanted_model
from carapace.config.settings import Settings


def settings(**tree: object) -> Settings:
    return msgspec.convert(tree, Settings)


@pytest.fixture(autouse=True)
def _engine(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(first_model, "find_spec", lambda _: object())
    monkeypatch.setattr(first_model, "free_memory_bytes", lambda: 64_000_000_000)


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return Library(tmp_path)


def test_a_fresh_machine_wants_the_one_that_fits(library: Library, monkeypatch):
    assert wanted_model(settings(), library, {}) == STARTER.name
    monkeypatch.setattr(first_model, "free_memory_bytes", lambda: 1_000_000_000)
    assert wanted_model(settings(), library, {}) == SMALL.name


def test_a_model_that_is_named_is_wanted_as_it_is(library: Library):
    named = settings(models={"embedded": {"model": SMALL.name}})
    assert wanted_model(named, library, {}) == SMALL.name
    primary = settings(agents={"defaults": {"model": {"primary": "embedded/starter"}}})
    assert wanted_model(primary, library, {"OPENAI_API_KEY": "k"}) == STARTER.name


@pytest.mark.parametrize(
    ("tree", "environment"),
    [
        ({"models": {"embedded": {"enabled": False}}}, {}),
        ({"models": {"embedded": {"model": "/my/own.gguf"}}}, {}),
        ({"agents": {"defaults": {"model": {"primary": "openai/x"}}}}, {}),
        ({}, {"OPENAI_API_KEY": "k"}),
    ],
)
def test_nothing_is_wanted_where_something_else_answers(library: Library, tree, environment):
    assert wanted_model(settings(**tree), library, environment) is None


def test_nothing_is_wanted_without_an_engine_or_with_a_model_at_hand(
    library: Library, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(library, "find", lambda name: name == SMALL.name or None)
    assert wanted_model(settings(), library, {}) is None
    monkeypatch.setattr(library, "find", lambda _: None)
    monkeypatch.setattr(first_model, "find_spec", lambda _: None)
    assert wanted_model(settings(), library, {}) is None
