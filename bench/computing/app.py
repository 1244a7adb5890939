"""A tool that only computes: it asks the gateway for nothing."""

from typing import Annotated

from carapace_plugin import tool


@tool
def greet(name: Annotated[str, "Whom to greet."]) -> str:
    """Greet somebody by name."""
    return f"Hello, {name}!"
