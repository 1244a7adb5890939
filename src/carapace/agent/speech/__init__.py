"""Speech: text becomes a recording, by an engine of this machine or a service with a key.

Local engines run as confined children and get the text on their input. Which engine speaks is
what an operator or the settings chose; words of a model change nothing about it.
"""

__all__: list[str] = []
