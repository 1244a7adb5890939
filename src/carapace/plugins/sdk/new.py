"""Begins a plugin: a folder with a manifest, a source that works, and cases to test it with."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Final

from carapace.errors import Refused
from carapace.plugins.contract_versions import SPOKEN
from carapace.plugins.package.manifest import ID_PATTERN
from carapace.plugins.sdk.cases import CASES
from carapace.plugins.sdk.project import LANGUAGES, MANIFEST
from carapace.value import Value

__all__ = ["ROLES", "create"]

VERSION: Final = "0.1.0"


class _Role(Value, frozen=True):
    """What a plugin of a role begins with: its roles, its permissions, its cases."""

    roles: tuple[str, ...]
    permissions: str = ""
    cases: str = ""


_TOOL_CASES: Final = r"""
[[case]]
name = "counts how often it greets"
call = "tool.invoke"
arguments = ["greet", '{"name": "Ada"}']
gives = '"Hello, Ada! (1)"'

[[case]]
name = "wants a name"
call = "tool.invoke"
arguments = ["greet", "{}"]
fails = "invalid-parameters"
"""
_REQUEST: Final = (
    '{{ method = "POST", path = "{path}", query = "", headers = [{headers}], '
    'body = {{ tag = "text", value = "{{}}" }}, remote_address = "192.0.2.1", '
    "received_at_ms = 0.0 }}"
)
_WEBHOOK_CASES: Final = f"""
[host.credentials]
webhookSecret = "correct horse"

[[case]]
name = "takes events whose sender knows the secret"
call = "webhook.handle"
arguments = [{
    _REQUEST.format(path="/events", headers='{ name = "x-secret", value = "correct horse" }')
}]
includes = {{ status = 200 }}

[[case]]
name = "refuses everybody else"
call = "webhook.handle"
arguments = [{_REQUEST.format(path="/events", headers="")}]
includes = {{ status = 401 }}
"""
_HOOK_CASES: Final = r"""
[[case]]
name = "signs what is sent"
call = "hooks.on-hook"
arguments = ["message_sending", '{"text": "Good morning"}']
gives = '{"text": "Good morning\n-- sent with care"}'
"""
_SERVICE_CASES: Final = """
[[case]]
name = "starts, ticks and is well"
call = "service.start"
instance = "service"

[[case]]
name = "is well"
call = "service.health"
instance = "service"
"""
_CHANNEL_CASES: Final = """
[host.credentials]
token = "of-the-service"

[[host.http]]
method = "POST"
url = "https://chat.example/api/messages"
status = 200
body = '{"id": "m-1"}'

[[case]]
name = "says what it is"
call = "channel.describe"
includes = { id = "@id@" }

[[case]]
name = "sends a text"
call = "channel.send-text"
arguments = [{ target = { account = "default", conversation_id = "c-1" }, text = "Hi", \
media = [], idempotency_key = "k-1", may_be_repeat = false, attempt = 1 }]
gives = { tag = "delivered", value = "m-1" }
"""

ROLES: Final = {
    "tool": _Role(("tool",), "kv_max_bytes = 65536", _TOOL_CASES),
    "channel": _Role(
        ("channel", "webhook"),
        'http = ["POST https://chat.example/api/**"]\ncredentials = ["token"]\ninbound = true',
        _CHANNEL_CASES,
    ),
    "webhook": _Role(("webhook",), 'credentials = ["webhookSecret"]', _WEBHOOK_CASES),
    "service": _Role(("service",), "kv_max_bytes = 65536\ntimers = true", _SERVICE_CASES),
    "hooks": _Role(("hooks",), 'hooks = ["message_sending"]', _HOOK_CASES),
}
"""What `--role` may be."""

_IGNORED: Final = "build/\nnode_modules/\n__pycache__/\n*.carapace-plugin\n*.key\n"


def create(folder: Path, *, language: str, role: str = "tool") -> Path:
    """Begin a plugin in a new folder, whose name becomes its id.

    Args:
        folder: Must not exist, or be empty.
        language: One of `LANGUAGES`.
        role: One of `ROLES`.

    Raises:
        Refused: If the folder is in use, or its name is no id.
    """
    plugin_id = folder.resolve().name
    if not ID_PATTERN.fullmatch(plugin_id):
        raise Refused(
            f"{plugin_id!r} is no id of a plugin: take 2 to 32 small letters, digits and hyphens, "
            "beginning with a letter."
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Refused(f"{folder} is in use: choose another name, or remove it first.")
    if language == "rust" and role != "tool":
        raise Refused(
            f"There is no beginning of a {role} in Rust yet, only of a tool. The other languages "
            "have one of each; in Rust all roles can be built: write `impl` of its `Guest`."
        )
    made_of = _made_of(role, language)
    words = {
        "id": plugin_id,
        "name": plugin_id.replace("-", " ").capitalize(),
        "version": VERSION,
        "head": _template(language, "head") if language == "c" else "",
    }
    source = next(each for each, its in LANGUAGES.items() if its == language)
    texts = {
        MANIFEST: _manifest(made_of, words),
        source: _filled(_template(language, role), words),
        CASES: _filled(made_of.cases.lstrip(), words),
        ".gitignore": _IGNORED,
    }
    folder.mkdir(parents=True, exist_ok=True)
    for each, text in texts.items():
        (folder / each).write_text(text, "utf-8")
    return folder


def _made_of(role: str, language: str) -> _Role:
    """In C a channel comes without a webhook: its template shows how to send."""
    found = ROLES[role]
    if (role, language) == ("channel", "c"):
        return _Role(("channel",), found.permissions.replace("\ninbound = true", ""), found.cases)
    return found


def _manifest(made_of: _Role, words: dict[str, str]) -> str:
    roles = ", ".join(f'"{each}"' for each in made_of.roles)
    return (
        f'id = "{words["id"]}"\n'
        f'version = "{words["version"]}"\n'
        f'name = "{words["name"]}"\n'
        f'wit = "{SPOKEN.newest_text}"\n'
        f"roles = [{roles}]\n"
        + (f"\n[permissions]\n{made_of.permissions}\n" if made_of.permissions else "")
    )


def _template(language: str, name: str) -> str:
    place = files("carapace.plugins.sdk").joinpath("templates", language, f"{name}.txt")
    return place.read_text("utf-8")


def _filled(text: str, words: dict[str, str]) -> str:
    """`@head@` first: it has words of its own."""
    for word in ("head", "id", "name", "version"):
        text = text.replace(
            f"@{word}@", words[word].rstrip("\n") if word == "head" else words[word]
        )
    return text
