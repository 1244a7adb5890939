"""The table of verbs agrees with the verbs."""

from __future__ import annotations

import inspect
from importlib import import_module

import pytest
from cyclopts import App

from carapace.cli.verbs import VERBS, Verb, overview


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_a_summary_is_the_first_line_of_its_help(verb: Verb):
    module, _, name = verb.target.partition(":")
    target = getattr(import_module(module), name)
    text = target.help if isinstance(target, App) else inspect.getdoc(target)
    assert (text or "").splitlines()[0] == verb.summary


def test_names_are_unique_and_the_overview_fits_a_terminal():
    assert len({verb.name for verb in VERBS}) == len(VERBS)
    assert max(map(len, overview().splitlines())) <= 80
