"""A plugin's world is the part of the contract that its manifest names."""

from __future__ import annotations

from carapace.plugins.sdk.contract import contract
from carapace.plugins.sdk.wit.worlds import with_types, world_text


def test_a_world_names_interfaces_with_their_version():
    text = world_text(contract(), ("kv",), ("manifest", "tool"))
    assert text.splitlines()[2:] == [
        "world plugin {",
        "  import carapace:plugin/kv@1.0.0;",
        "  export carapace:plugin/manifest@1.0.0;",
        "  export carapace:plugin/tool@1.0.0;",
        "}",
    ]


def test_types_come_before_whoever_uses_them():
    assert with_types(contract(), ("poll",), ("manifest",)) == ("types", "http", "poll")
    assert with_types(contract(), ("http", "poll"), ()) == ("types", "http", "poll")


def test_an_export_brings_in_the_types_it_speaks_of():
    assert with_types(contract(), (), ("service",)) == ("types", "http", "websocket")
    assert with_types(contract(), ("log",), ("manifest",)) == ("log",)
