"""Hello python: a tool of the assistant."""

from typing import Annotated

from carapace_plugin import config, kv, log, tool


@tool(risk="write")
def greet(name: Annotated[str, "Whom to greet."]) -> str:
    """Greet somebody by name and count how often."""
    before = kv.get(f"greeted/{name}")
    times = int(before.value) + 1 if before else 1
    kv.put(f"greeted/{name}", str(times))
    log.info(f"greeted {name}")
    return f"{config.get('greeting', 'Hello')}, {name}! ({times})"
