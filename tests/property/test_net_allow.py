"""What a rule with a path prefix admits lies below that prefix, however a server reads it."""

from __future__ import annotations

import posixpath
from urllib.parse import unquote

from hypothesis import given
from hypothesis import strategies as st

from carapace.net.allow import HostPattern, parse_rule
from carapace.net.url import InvalidUrl, parse_url

RULE = parse_rule("https://a.example/v1/**")
WORDS = ".. . / \\ %2e %2E %252e %2f %5c ;x a v1 ? # %c0%ae %"
PIECES = st.sampled_from(WORDS.split())
PATHS = st.lists(PIECES, max_size=12).map("".join)
LABELS = st.text(alphabet="ab-.", min_size=1, max_size=12)


def readings(path: str) -> list[str]:
    """The path as servers may resolve it: decoded never, once, twice; with and without `;x`."""
    found = []
    for _ in range(3):
        for text in (path, path.replace("\\", "/")):
            bare = "/".join(part.partition(";")[0] for part in text.split("/"))
            found += [posixpath.normpath(text), posixpath.normpath(bare)]
        path = unquote(path)
    return found


@given(PATHS)
def test_nothing_beyond_the_prefix_is_admitted(path):
    try:
        endpoint = parse_url(f"https://a.example/v1/{path}")
    except InvalidUrl:
        return
    if RULE.admits("GET", endpoint):
        target = endpoint.target.partition("?")[0]
        for reading in readings(target):
            assert reading == "/v1" or reading.startswith("/v1/")


@given(LABELS, LABELS)
def test_a_pattern_matches_a_suffix_of_whole_labels_only(front, back):
    pattern = HostPattern(back, is_below=True)
    host = f"{front}{back}"
    assert pattern.matches(host) is (host.endswith("." + back))
    assert not pattern.matches(back)
