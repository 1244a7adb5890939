"""The recorded exchanges of the Node gateway, asked again of the real process."""

from __future__ import annotations

from pathlib import Path

import pytest

from carapace_tools.golden.replay import Replay
from carapace_tools.golden.report import as_text, is_clean
from carapace_tools.golden.scenario import load_scenario
from support.gateway import TOKEN, model_server, running_gateway, settings

TRACES = Path(__file__).parent / "node-2026.1"


@pytest.mark.slow
async def test_every_recorded_exchange_matches(tmp_path: Path) -> None:
    scenario = load_scenario(TRACES / "scenario.toml")
    async with (
        model_server(tmp_path) as model,
        running_gateway(tmp_path / "gateway", settings(model.port)) as gateway,
    ):
        outcomes = await Replay(gateway.url, TOKEN, TRACES, scenario).run()
    print(as_text(outcomes, verbose=True))
    assert is_clean(outcomes), as_text(outcomes)
    assert len(outcomes) == len(scenario.step)
