"""The recorded exchanges of the Node gateway, asked again of the real process.

Each scenario has a gateway of its own, configured as the recorded one was.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from carapace.config.merge_patch import merge_patch
from carapace_tools.golden.replay import Replay
from carapace_tools.golden.report import as_text, is_clean
from carapace_tools.golden.scenario import load_scenario
from support.gateway import TOKEN, Started, model_server, running_gateway, settings
from support.packages import PUBLISHER
from support.plugin_packages import GUESTS, packed
from support.zalo_gateway import admin, ok

TRACES = Path(__file__).parent / "node-2026.1"
SCENARIOS = [TRACES / "scenario.toml", *sorted((TRACES / "scenarios").glob("*.toml"))]


async def install(gateway: Started, packages: list[Path]) -> None:
    """As an operator does, who agrees to all that they ask for."""
    if not packages:
        return
    async with admin(gateway) as connection:
        for package in packages:
            await ok(connection, "plugins.install", {"source": str(package), "accept": True})


@pytest.mark.slow
@pytest.mark.parametrize("path", SCENARIOS, ids=[path.stem for path in SCENARIOS])
async def test_every_recorded_exchange_matches(path: Path, tmp_path: Path) -> None:
    scenario = load_scenario(path)
    async with model_server(tmp_path) as model:
        config: Any = merge_patch(settings(model.port), scenario.config)
        if scenario.plugins:
            config["plugins"] = {**config.get("plugins", {}), "trustedPublishers": [PUBLISHER]}
        async with running_gateway(tmp_path / "gateway", config) as gateway:
            await install(gateway, [packed(GUESTS / one, tmp_path) for one in scenario.plugins])
            outcomes = await Replay(gateway.url, TOKEN, TRACES, scenario).run()
    print(as_text(outcomes, verbose=True))
    assert is_clean(outcomes), as_text(outcomes)
    assert len(outcomes) == len(scenario.step)
