"""A path is exact or it is not there."""

from __future__ import annotations

import pytest

from carapace.errors import Refused
from carapace.triggers.webhook_paths import RESERVED, Paths
from support.webhooks import route


def _owner(paths: Paths, path: str) -> str | None:
    found = paths.find(path)
    return found.route.path if found is not None and found.route is not None else None


def test_exact_wins_over_below_and_longer_over_shorter():
    paths = Paths()
    for path in ("/hooks/*", "/hooks/mail", "/hooks/deep/*"):
        paths.add(route(path))
    assert _owner(paths, "/hooks/mail") == "/hooks/mail"
    assert _owner(paths, "/hooks/other") == "/hooks/*"
    assert _owner(paths, "/hooks/deep/er/still") == "/hooks/deep/*"
    assert _owner(paths, "/hooks/deep") == "/hooks/*"
    assert paths.find("/hooks") is None
    assert paths.find("/hook") is None
    assert len(paths) == 3


@pytest.mark.parametrize(
    "path",
    [
        "/hooks/mail/",
        "/hooks//mail",
        "/hooks/%6dail",
        "/hooks/Mail",
        "/hooks/../hooks/mail",
        "//hooks/mail",
        "hooks/mail",
        "/hooks/mail;x",
        "/hooks/" + "a" * 300,
        "/hooks" + "/a" * 5_000,
    ],
)
def test_other_spellings_are_other_paths(path: str):
    paths = Paths()
    paths.add(route("/hooks/mail"))
    assert _owner(paths, path) is None


@pytest.mark.parametrize("path", ["/hooks/", "/hooks//x", "/hooks/%2e%2e/x", "/hooks/a/"])
def test_odd_spellings_reach_no_wildcard(path: str):
    paths = Paths()
    paths.add(route("/hooks/*"))
    assert _owner(paths, path) is None


@pytest.mark.parametrize("path", ["/hooks", "/hooks/", "/hooks//x", "/hooks/a/b"])
def test_what_is_not_there_below_a_claim_is_answered_by_its_owner(path: str):
    paths = Paths()
    paths.claim("/hooks", "test")
    paths.add(route("/hooks/mail", methods=frozenset({"POST", "PUT"})))
    found = paths.find(path)
    assert found is not None
    assert found.route is None
    assert found.owner == "test"
    assert found.methods == {"POST", "PUT"}
    assert paths.find("/hooksy") is None


def test_a_claim_without_routes_takes_post():
    paths = Paths()
    paths.claim("/hooks", "test")
    found = paths.find("/hooks/x")
    assert found is not None
    assert found.methods == {"POST"}


def test_two_cannot_have_one_path():
    paths = Paths()
    paths.add(route("/in"))
    paths.claim("/in", "test")
    paths.claim("/in", "test")
    with pytest.raises(Refused, match="taken by test"):
        paths.add(route("/in", owner="other"))
    with pytest.raises(Refused, match="taken by test"):
        paths.claim("/in", "other")


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "in",
        "/in/",
        "/a//b",
        "/../x",
        "/a/.b",
        "/a b",
        "/%41",
        "/*",
        "/a/*/b",
        "/" + "a" * 300,
    ],
)
def test_what_is_no_plain_path_is_refused(path: str):
    with pytest.raises(Refused, match="no webhook path"):
        Paths().add(route(path))


@pytest.mark.parametrize("kept", RESERVED)
def test_the_gateways_own_paths_are_not_given_away(kept: str):
    for path in (kept, f"{kept}/below"):
        with pytest.raises(Refused, match="gateway's own"):
            Paths().add(route(path))
    Paths().add(route(f"{kept}y"))


@pytest.mark.parametrize("path", ["/a", "/a/b", "/a/*", "/a/b/c"])
def test_nobody_puts_a_path_below_another_owners(path: str):
    """Nor does an owner whose name only begins alike; what is part of the owner may."""
    for owner in ("other", "tes", "tester"):
        paths = Paths()
        paths.claim("/a", "test")
        with pytest.raises(Refused, match="below one of test"):
            paths.add(route(path, owner=owner))
    for owner in ("test", "test.part"):
        paths = Paths()
        paths.claim("/a", "test")
        paths.add(route(path, owner=owner))
        assert len(paths) == 1


def test_an_owner_takes_its_routes_along():
    paths = Paths()
    paths.claim("/a", "test")
    paths.add(route("/a/b"))
    paths.add(route("/a/*"))
    paths.add(route("/c", owner="other"))
    assert paths.remove("test", "/a/b") == 1
    assert paths.find("/a") is not None
    assert paths.remove("test") == 1
    assert paths.find("/a") is None
    assert _owner(paths, "/c") == "/c"
