"""The stock Node command line, unmodified: it cannot tell Carapace from its own gateway.

Every command runs against both gateways at the same time; exit codes, fields and texts are
compared. What may differ is named beside the comparison, with its reason.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from support.gateway import TOKEN, Started, model_server, running_gateway, settings
from support.stock_cli import Done, StockCli, node_folder, node_gateway, shape_of

pytestmark = [
    pytest.mark.node,
    pytest.mark.slow,
    pytest.mark.timeout(240),
    pytest.mark.asyncio(loop_scope="module"),
]

_VARYING = re.compile(r"\d+ms|ws://[\d.:]+|\(/?[^()\s]*/[^()\s]*\)|/\S+")


@dataclass(frozen=True)
class Peers:
    """Both gateways, with the same settings and the same scripted model."""

    folder: Path
    ours: Started
    theirs: Started


@dataclass(frozen=True)
class Both:
    """What one command left against each gateway."""

    ours: Done
    theirs: Done

    def same_code(self) -> None:
        """Both ended alike, and as the test means it."""
        assert self.ours.code == self.theirs.code, (self.ours, self.theirs)


@dataclass(frozen=True)
class Pair:
    """One home for each gateway."""

    ours: StockCli
    theirs: StockCli

    async def __call__(self, *words: str) -> Both:
        async with asyncio.TaskGroup() as group:
            ours = group.create_task(self.ours(*words))
            theirs = group.create_task(self.theirs(*words))
        return Both(ours.result(), theirs.result())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def peers(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Peers]:
    folder = node_folder()
    home = tmp_path_factory.mktemp("stock")
    async with model_server(home) as model:
        config = settings(model.port)
        # the Node gateway asks for a real key there; one provider is enough for both
        del config["models"]["providers"]["fakeant"]
        async with (
            node_gateway(folder, home / "node", config) as theirs,
            running_gateway(home / "carapace", config) as ours,
        ):
            yield Peers(folder, ours, theirs)


MakePair = Callable[..., Pair]


@pytest.fixture
def make_pair(peers: Peers, tmp_path: Path) -> MakePair:
    """Homes that no command ran in yet."""

    def made(token: str | None = TOKEN) -> Pair:
        return Pair(
            StockCli(peers.folder, tmp_path / "ours", peers.ours.url, token),
            StockCli(peers.folder, tmp_path / "theirs", peers.theirs.url, token),
        )

    return made


@pytest.fixture
def pair(make_pair: MakePair) -> Pair:
    return make_pair()


def labels(text: str) -> list[str]:
    """Lines without what differs from machine to machine: times, addresses, paths."""
    return [" ".join(_VARYING.sub("*", line).split()) for line in text.splitlines()]


def missing(both: Both) -> set[tuple[str, str]]:
    """Fields the Node gateway sends and we do not, or with another type."""
    return shape_of(both.theirs.json) - shape_of(both.ours.json)


async def test_gateway_call_health_has_every_field(pair: Pair) -> None:
    both = await pair("gateway", "call", "health", "--json")
    both.same_code()
    assert both.ours.code == 0
    assert missing(both) - _recent(both.theirs) == set()
    assert both.ours.json["ok"] is True


async def test_gateway_call_status_has_every_field(pair: Pair) -> None:
    # A session, so that there is a row to compare.
    said = await pair("agent", "--agent", "main", "--message", "status please", "--json")
    assert (said.ours.code, said.theirs.code) == (0, 0)
    both = await pair("gateway", "call", "status", "--json")
    both.same_code()
    assert both.ours.code == 0
    assert missing(both) == set()
    ours, theirs = (side.json["sessions"]["recent"][0] for side in (both.ours, both.theirs))
    assert ours["key"] == theirs["key"] == "agent:main:main"
    assert (ours["kind"], ours["model"], ours["contextTokens"]) == ("direct", "fake-1", 128000)
    assert ours["percentUsed"] == round(ours["totalTokens"] * 100 / 128000)
    # Another test may have asked for a thinking level, which both gateways keep.
    flags = [flag for flag in ours["flags"] if not flag.startswith("think:")]
    assert flags == ["system", f"id:{ours['sessionId']}"]


async def test_gateway_call_models_list_shows_the_configured_model_alike(pair: Pair) -> None:
    """The Node gateway also lists several hundred models nobody configured a key for."""
    both = await pair("gateway", "call", "models.list", "--json")
    both.same_code()
    ours, theirs = (
        [model for model in side.json["models"] if model["provider"] == "fake"]
        for side in (both.ours, both.theirs)
    )
    assert ours == theirs
    assert len(ours) == 1


async def test_gateway_call_config_get_shows_the_file_without_its_secrets(pair: Pair) -> None:
    both = await pair("gateway", "call", "config.get", "--json")
    both.same_code()
    ours, theirs = both.ours.json, both.theirs.json
    assert shape_of({**theirs, "parsed": 0, "config": 0}) <= shape_of(
        {**ours, "parsed": 0, "config": 0}
    )
    assert (ours["exists"], ours["valid"], ours["issues"]) == (True, True, [])
    assert ours["config"]["agents"]["defaults"]["model"] == {"primary": "fake/fake-1"}
    assert TOKEN in both.theirs.out  # what we do not copy
    assert TOKEN not in both.ours.out
    assert re.fullmatch(r"[0-9a-f]{64}", ours["hash"])


async def test_gateway_call_of_an_unknown_method_fails_with_the_same_words(pair: Pair) -> None:
    both = await pair("gateway", "call", "no.such.method")
    both.same_code()
    assert both.ours.code == 1
    assert both.ours.err.splitlines()[-1] == both.theirs.err.splitlines()[-1]
    assert "unknown method: no.such.method" in both.ours.err


async def test_gateway_health_is_the_same_text(pair: Pair) -> None:
    both = await pair("gateway", "health")
    both.same_code()
    assert both.ours.code == 0
    assert labels(both.ours.out) == labels(both.theirs.out)


async def test_health_prints_agents_heartbeat_and_store(pair: Pair) -> None:
    both = await pair("health")
    both.same_code()
    assert both.ours.code == 0
    # Rows of sessions depend on which test ran first.
    ours, theirs = (
        [line.split(":")[0] for line in side.out.splitlines() if not line.startswith("- agent")]
        for side in (both.ours, both.theirs)
    )
    assert ours == theirs == ["Agents", "Heartbeat interval", "Session store (main)"]
    assert "Agents: main (default)" in both.ours.out


async def test_status_reaches_the_gateway_and_draws_the_same_table(pair: Pair) -> None:
    both = await pair("status")
    both.same_code()
    assert both.ours.code == 0
    ours, theirs = (
        re.findall(r"^│ (\S[^│]*?) +│", side.out, re.MULTILINE) for side in (both.ours, both.theirs)
    )
    assert ours == theirs
    assert "Gateway" in ours
    row = " ".join(both.ours.out.split("│ Gateway  ")[1].split("│ Gateway service")[0].split())
    assert "reachable" in row
    assert "auth token" in row


async def test_agent_answers_with_the_same_fields(pair: Pair) -> None:
    both = await pair("agent", "--agent", "main", "--message", "hello stock", "--json")
    both.same_code()
    ours, theirs = both.ours.json, both.theirs.json
    assert both.ours.code == 0
    assert ours["status"] == "ok"
    assert ours["result"]["payloads"] == theirs["result"]["payloads"]
    assert ours["result"]["payloads"][0]["text"] == "Echo: hello stock"
    # Skills come later; their list is empty here, so its rows have no fields to compare.
    rows = ".result.meta.systemPromptReport.skills.entries[]"
    assert {field for field in missing(both) if not field[0].startswith(rows)} == set()


async def test_agent_in_words_takes_a_number_for_the_session(pair: Pair) -> None:
    words = ("--to", "+15555550123", "--message", "in words", "--thinking", "low")
    both = await pair("agent", *words)
    assert (both.ours.code, both.ours.out) == (both.theirs.code, both.theirs.out)
    assert both.ours.out.strip() == "Echo: in words"


async def test_agent_prints_a_failure_of_the_model_as_its_answer(pair: Pair) -> None:
    both = await pair("agent", "--agent", "main", "--message", "bad [[error:400]]")
    assert (both.ours.code, both.ours.out) == (both.theirs.code, both.theirs.out)
    assert "HTTP 400" in both.ours.out


async def test_agent_says_that_nobody_delivers_to_a_channel_that_is_off(pair: Pair) -> None:
    words = ("--deliver", "--channel", "telegram", "--reply-to", "5", "--message", "hi")
    both = await pair("agent", "--agent", "main", *words)
    both.same_code()
    first, other = (side.err.splitlines()[0] for side in (both.ours, both.theirs))
    assert first == other
    assert "Outbound not configured for channel: telegram" in first


async def test_sessions_lists_the_local_store_as_ever(pair: Pair) -> None:
    """The command reads files of its own home, whatever gateway it is pointed at."""
    both = await pair("sessions")
    both.same_code()
    assert both.ours.code == 0
    assert labels(both.ours.out) == labels(both.theirs.out)


async def test_logs_prints_the_gateways_log(pair: Pair, peers: Peers) -> None:
    both = await pair("logs", "--plain", "--limit", "5")
    both.same_code()
    assert both.ours.code == 0
    head, *rest = both.ours.out.splitlines()
    assert head.startswith("Log file: ")
    assert str(peers.ours.state_dir) in head
    assert any("gateway listens" in line for line in rest), rest
    assert all(re.match(r"\d{4}-\d\d-\d\dT[\d:.]+Z (info|warn|error) ", line) for line in rest)


async def test_logs_as_json_has_the_same_lines(pair: Pair) -> None:
    """`subsystem` is there in lines of a named part; the rest in every line."""
    both = await pair("logs", "--json", "--limit", "50")
    both.same_code()
    ours, theirs = both.ours.lines, both.theirs.lines
    assert shape_of(ours[0]) == shape_of(theirs[0])
    assert ours[0]["type"] == "meta"
    assert {line["type"] for line in ours[1:]} == {"log"}
    assert {"time", "level", "message", "raw"} <= set.intersection(*(set(x) for x in ours[1:]))
    assert any("subsystem" in line for line in ours[1:])


async def test_a_wrong_token_is_refused_with_the_same_words(make_pair: MakePair) -> None:
    pair = make_pair("a-wrong-token")
    both = await pair("gateway", "call", "health")
    both.same_code()
    assert both.ours.code != 0
    ours, theirs = labels(both.ours.err), labels(both.theirs.err)
    assert ours == theirs
    assert "unauthorized: gateway token mismatch" in both.ours.err
    assert "Gateway call failed" in both.ours.err


async def test_no_token_is_refused_with_the_same_words(make_pair: MakePair) -> None:
    both = await make_pair(None)("gateway", "call", "health")
    both.same_code()
    assert both.ours.code != 0
    assert labels(both.ours.err) == labels(both.theirs.err)
    assert "unauthorized" in both.ours.err


async def test_the_device_token_of_the_first_call_is_enough_for_the_next(
    pair: Pair, peers: Peers
) -> None:
    first = await pair("gateway", "health")
    assert (first.ours.code, first.theirs.code) == (0, 0)
    kept: list[dict[str, Any]] = [cli.device_auth for cli in (pair.ours, pair.theirs)]
    assert shape_of(kept[0]) == shape_of(kept[1])
    assert kept[0]["tokens"]["operator"]["scopes"] == kept[1]["tokens"]["operator"]["scopes"]
    pair.ours.point_at(peers.ours.url, None)
    pair.theirs.point_at(peers.theirs.url, None)
    again = await pair("gateway", "health")
    assert (again.ours.code, again.theirs.code) == (0, 0)


def _recent(side: Done) -> set[tuple[str, str]]:
    """Rows of sessions, which a gateway has or has not, depending on which test ran first."""
    return {field for field in shape_of(side.json) if ".recent[]" in field[0]}
