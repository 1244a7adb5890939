"""`canvasHost.*`: pages that the native apps show in their canvas."""

from __future__ import annotations

from typing import Annotated

from carapace.config.settings.setting import Section, setting

__all__ = ["CanvasHostSettings"]


class CanvasHostSettings(Section, frozen=True):
    """Pages for the canvas of the apps."""

    enabled: Annotated[
        bool,
        setting("Serve the canvas to clients that signed in; they are told its address."),
    ] = True
    root: Annotated[
        str | None,
        setting("Folder whose files are served as the canvas. Without one nothing is served."),
    ] = None
    a2ui_root: Annotated[
        str | None,
        setting(
            "Folder of the A2UI page, such as `dist/canvas-host/a2ui` of an npm release. Without "
            "one there is none."
        ),
    ] = None
