"""`gateway.nodes.*`: what machines that serve the gateway may be asked to do."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from carapace.config.settings.setting import Name, Section, setting

__all__ = ["NodeBrowserSettings", "NodesSettings"]


class NodeBrowserSettings(Section, frozen=True):
    """Which node's browser `browser.request` drives."""

    mode: Annotated[
        Literal["auto", "manual", "off"],
        setting(
            "`auto` takes the only connected node that offers its browser, `manual` the one in "
            "`gateway.nodes.browser.node`, `off` none.",
            live=True,
        ),
    ] = "auto"
    node: Annotated[Name | None, setting("Id of the node whose browser is driven.", live=True)] = (
        None
    )


class NodesSettings(Section, frozen=True):
    """Commands of nodes. Each platform has its own list; an unknown one has none."""

    browser: Annotated[NodeBrowserSettings, setting("Browsers of nodes.")] = msgspec.field(
        default_factory=NodeBrowserSettings
    )
    allow_commands: Annotated[
        tuple[Name, ...],
        setting("Commands that every node may be asked, whatever its platform.", live=True),
    ] = ()
    deny_commands: Annotated[
        tuple[Name, ...],
        setting("Commands that no node is asked; stronger than every other list.", live=True),
    ] = ()
