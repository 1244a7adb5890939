"""From the head of a SKILL.md to a `Skill`: strict about what would be run, lenient about the rest.

The block that matters stands in `metadata` under the name of a release of the Node gateway
(`openclaw`, `moltbot`, `clawdbot`). What an install option names becomes an argument of a program
one day, so a name with anything but the characters of package names is dropped with its option.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, cast, get_args

from carapace.agent.skills.front_matter import FrontMatterError, split_front_matter
from carapace.agent.skills.types import InstallKind, InstallOption, Needs, Skill, SkillSource

__all__ = ["declare"]

_BRANDS: Final = ("carapace", "openclaw", "moltbot", "clawdbot")
_MAX_LISTED: Final = 32
_MAX_TEXT: Final = 1_024
_MAX_NAME: Final = 64
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_BIN: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,63}")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_SETTING: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}")
_PACKAGES: Final[dict[str, re.Pattern[str]]] = {
    "brew": re.compile(r"[a-z0-9][A-Za-z0-9@._+-]*(?:/[a-z0-9][A-Za-z0-9@._+-]*){0,2}"),
    "node": re.compile(r"(?:@[a-z0-9][a-z0-9._~-]*/)?[a-z0-9][a-z0-9._~-]*(?:@[a-z0-9.^~_-]+)?"),
    "go": re.compile(r"[a-z0-9][A-Za-z0-9.-]*(?:/[A-Za-z0-9._~-]+)+(?:@[A-Za-z0-9.+_-]+)?"),
    "uv": re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(?:\[[A-Za-z0-9,_-]+\])?(?:==[A-Za-z0-9.+!]+)?"),
}
_FIELDS: Final = {"brew": "formula", "node": "package", "go": "module", "uv": "package"}
_PROGRAMS: Final = {"brew": "brew", "node": "npm", "go": "go", "uv": "uv"}
_MAX_PACKAGE: Final = 200
_KINDS: Final[tuple[str, ...]] = get_args(InstallKind)


def declare(text: str, base_dir: Path, source: SkillSource, *, system: str) -> Skill:
    """The skill that a SKILL.md describes.

    Args:
        text: The file.
        base_dir: Its folder, whose name stands in where the file names none.
        source: Which kind of root it lies in.
        system: As `sys.platform`; install options for others are left out.

    Raises:
        FrontMatterError: If its head cannot be read or does not say what it is for.
    """
    head, body = split_front_matter(text)
    name = _line(head.get("name"), _MAX_NAME) or _line(base_dir.name, _MAX_NAME)
    description = _line(head.get("description"), _MAX_TEXT)
    if not description:
        raise FrontMatterError("it has no description, so nobody could know when to use it")
    block = _block(head.get("metadata"))
    needs = _object(block.get("requires"))
    return Skill(
        name=name,
        key=_line(block.get("skillKey"), _MAX_NAME) or name,
        description=description,
        source=source,
        base_dir=base_dir,
        body=body,
        homepage=_link(block.get("homepage")) or _link(head.get("homepage")),
        emoji=_line(block.get("emoji"), 16) or None,
        is_always=block.get("always") is True,
        is_hidden=head.get("disable-model-invocation") is True,
        primary_env=next(iter(_names([block.get("primaryEnv")], _VARIABLE)), None),
        needs=Needs(
            bins=_names(needs.get("bins"), _BIN),
            any_bins=_names(needs.get("anyBins"), _BIN),
            env=_names(needs.get("env"), _VARIABLE),
            config=_names(needs.get("config"), _SETTING),
            os=_names(block.get("os"), _BIN),
        ),
        install=tuple(_options(block.get("install"), system)),
    )


def _block(metadata: Any) -> dict[str, Any]:
    found = _object(metadata)
    brand = next((one for one in _BRANDS if one in found), "")
    return _object(found.get(brand))


def _options(listed: Any, system: str) -> Iterable[InstallOption]:
    for number, one in enumerate(_list(listed)[:_MAX_LISTED]):
        row = _object(one)
        kind = str(row.get("kind"))
        systems = _names(row.get("os"), _BIN)
        if kind not in _KINDS or (systems and system not in systems):
            continue
        package = row.get(_FIELDS.get(kind, ""), "")
        rule = _PACKAGES.get(kind)
        if rule is not None and not (
            isinstance(package, str) and len(package) <= _MAX_PACKAGE and rule.fullmatch(package)
        ):
            continue
        yield InstallOption(
            id=_line(row.get("id"), _MAX_NAME) or f"{kind}-{number}",
            kind=cast("InstallKind", kind),
            label=_line(row.get("label"), 200) or _label(kind, package),
            bins=_names(row.get("bins"), _BIN),
            package=package if rule is not None else "",
        )


def _label(kind: str, package: str) -> str:
    return f"Install {package} ({_PROGRAMS[kind]})" if package else "Download by hand"


def _names(value: Any, rule: re.Pattern[str]) -> tuple[str, ...]:
    """The texts of a list that fit; each once."""
    listed = [one for one in _list(value) if isinstance(one, str) and rule.fullmatch(one)]
    return tuple(dict.fromkeys(listed[:_MAX_LISTED]))


def _line(value: Any, most: int) -> str:
    """Text on one line, without control characters; empty if there is none."""
    return _CONTROL.sub(" ", value).strip()[:most] if isinstance(value, str) else ""


def _link(value: Any) -> str | None:
    text = _line(value, _MAX_TEXT)
    return text if text.startswith(("https://", "http://")) else None


def _object(value: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    if isinstance(value, list):
        return cast("list[Any]", value)
    return [value] if isinstance(value, str) else []
