"""`gateway.controlUi.*`: the Node gateway's web page, served from a folder of the operator's."""

from __future__ import annotations

from typing import Annotated

from carapace.config.settings.setting import Section, setting

__all__ = ["ControlUiSettings"]


class ControlUiSettings(Section, frozen=True):
    """The web page."""

    enabled: Annotated[
        bool, setting("Serve the page, if `root` says where its files are.", live=True)
    ] = True
    root: Annotated[
        str | None,
        setting(
            "Folder of a built Control UI, such as `dist/control-ui` of an npm release. Without "
            "one nothing is served.",
            live=True,
        ),
    ] = None
    base_path: Annotated[
        str, setting("Where it is served: empty for `/`, or a path such as `/ui`.", live=True)
    ] = ""
    allow_insecure_auth: Annotated[
        bool,
        setting(
            "Let clients that reach the gateway over plain HTTP from another machine use all "
            "scopes they are approved for, and a Control UI without device identity read and "
            "write. Anyone on the way can read their token.",
            live=True,
        ),
    ] = False
