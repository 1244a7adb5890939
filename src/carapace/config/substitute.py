"""`${NAME}` in any text becomes the variable's value; `$${NAME}` stays as `${NAME}`.

Only upper-case names count, as in the Node gateway. A variable that is missing or empty is
an error: a key that silently becomes "" is worse than a start that says what is missing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from carapace.config.issue import Problem
from carapace.config.located import Key, Located, key_text

__all__ = ["file_variables", "substitute"]

_PATTERN = re.compile(r"(\$?)\$\{([A-Z_][A-Z0-9_]*)\}")
_NOT_VARIABLES = frozenset({"vars", "shellEnv"})


def substitute(
    tree: Located, variables: Mapping[str, str], problems: list[Problem], key: Key = ()
) -> Located:
    """`tree` with its variables filled in; what is missing is added to `problems`."""
    if isinstance(tree.value, dict):
        members = {
            name: substitute(one, variables, problems, (*key, name))
            for name, one in tree.value.items()
        }
        return Located(members, tree.place)
    if isinstance(tree.value, list):
        items = [
            substitute(one, variables, problems, (*key, i)) for i, one in enumerate(tree.value)
        ]
        return Located(items, tree.place)
    if isinstance(tree.value, str) and "${" in tree.value:
        return _fill(tree, tree.value, variables, problems, key)
    return tree


def _fill(
    tree: Located, text: str, variables: Mapping[str, str], problems: list[Problem], key: Key
) -> Located:
    used: list[str] = []

    def put(found: re.Match[str]) -> str:
        escaped, name = found.groups()
        if escaped:
            return found.group()[1:]
        used.append(name)
        value = variables.get(name, "")
        if not value:
            message = (
                f"the variable {name} is missing or empty. Set it in the environment or under "
                f"env.vars, or write $${{{name}}} for the text itself."
            )
            problems.append(Problem(key_text(key), message, tree.place))
        return value

    value = _PATTERN.sub(put, text)
    return Located(value, tree.place, tuple(used))


def file_variables(tree: Located, environment: Mapping[str, str]) -> dict[str, str]:
    """The variables of `env` and `env.vars`, under those of the real environment.

    They serve substitution and provider keys only; nothing here or elsewhere puts them into
    the process's environment, so no file can set `LD_PRELOAD` and the like (advisory H04).
    """
    out: dict[str, str] = {}
    section = tree.find(("env",))
    if section is not None and isinstance(section.value, dict):
        direct = {k: v for k, v in section.value.items() if k not in _NOT_VARIABLES}
        listed = section.value.get("vars")
        inner = listed.value if listed is not None and isinstance(listed.value, dict) else {}
        for name, one in {**direct, **inner}.items():
            if isinstance(one.value, str):
                out[name] = _PATTERN.sub(lambda m: _real(m, environment), one.value)
    return {**out, **{name: value for name, value in environment.items() if value}}


def _real(found: re.Match[str], environment: Mapping[str, str]) -> str:
    escaped, name = found.groups()
    return found.group()[1:] if escaped else environment.get(name, "")
