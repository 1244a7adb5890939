"""Skills: folders with a SKILL.md that tell an agent how to do one kind of work.

They are read from a few roots without following a link, checked against what this machine has,
listed in the system prompt, and opened by the tool `read_skill`. What they need is installed
only when a person asks for it, and only by commands that are built here.
"""

__all__: list[str] = []
