"""The package index that this machine is configured to use, and where it keeps a wheel.

No index is named here: the environment, pip's configuration or pip's own default say which.

Sources: the simple repository API, PEP 503 (HTML), PEP 691 (JSON) and PEP 700.
"""

from __future__ import annotations

import asyncio
import re
import sys
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping, Sequence
from html.parser import HTMLParser
from typing import Annotated, Any
from urllib.parse import unquote, urlsplit, urlunsplit

import httpx2
import msgspec

from carapace.agent.child_process import kill, reap
from carapace.errors import Failed
from carapace.net.url import InvalidUrl, join_url, parse_url
from carapace.value import Value

__all__ = ["Index", "RunPip", "find_index", "locate", "read_page", "run_pip"]

RunPip = Callable[[Sequence[str]], Awaitable[str | None]]

_VARIABLES = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL")
_PIP_TIMEOUT_S = 30.0
_ACCEPT = (
    "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, "
    "text/html;q=0.1"
)
_HELP_DEFAULT = re.compile(r"--index-url\b.*?\(default\s+(?P<url>\S+?)\)", re.DOTALL)


class Index(Value, frozen=True):
    """A configured index.

    Attributes:
        url: Base URL without credentials and without a slash at its end.
        configured_by: Where it was found, for people.
        authorization: Header for its own origin, or None. Secret.
    """

    url: str
    configured_by: str
    authorization: str | None = None

    def __repr__(self) -> str:
        return f"Index({self.url!r}, {self.configured_by!r})"


async def find_index(environ: Mapping[str, str], pip: RunPip) -> Index:
    """The index that pip would use here.

    Args:
        environ: uv's and pip's variables win over files, as they do for those tools.
        pip: Runs pip with arguments and gives its output, None if that failed.

    Raises:
        Failed: If there is none, or it is not an http(s) address.
    """
    for name in _VARIABLES:
        if value := environ.get(name, "").strip():
            return _index(value, name)
    if (found := await pip(["config", "get", "global.index-url"])) and found.strip():
        return _index(found.strip(), "pip's configuration")
    if (text := await pip(["install", "--help"])) and (match := _HELP_DEFAULT.search(text)):
        return _index(match["url"], "pip's default")
    raise Failed(
        "No package index is configured and pip did not name its default. "
        "Set PIP_INDEX_URL, or fetch the model yourself and run: cara model pull PATH"
    )


def _index(text: str, configured_by: str) -> Index:
    parts = urlsplit(text)
    userinfo, _, hostport = parts.netloc.rpartition("@")
    clean = urlunsplit((parts.scheme, hostport, parts.path.rstrip("/"), "", ""))
    try:
        parse_url(clean)
    except InvalidUrl as error:
        raise Failed(
            f"The package index of {configured_by} cannot be used: {error}. "
            "Set PIP_INDEX_URL to an https address."
        ) from error
    if not userinfo:
        return Index(clean, configured_by)
    user, _, password = userinfo.partition(":")
    token = b64encode(f"{unquote(user)}:{unquote(password)}".encode()).decode("ascii")
    return Index(clean, configured_by, f"Basic {token}")


async def run_pip(arguments: Sequence[str]) -> str | None:
    """Output of this Python's pip, None if it is missing, fails or takes too long."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "pip",
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(_PIP_TIMEOUT_S):
            output, _ = await process.communicate()
    except TimeoutError:
        return None
    finally:
        if process.returncode is None:
            kill(process)
            await reap(process)
    return output.decode("utf-8", "replace") if process.returncode == 0 else None


async def locate(
    client: httpx2.AsyncClient, index: Index, project: str, filename: str, sha256: str
) -> str:
    """The URL of a file of `project`.

    Raises:
        Failed: If the index does not have it, or has another file under its name.
        httpx2.HTTPError: If the index cannot be reached.
    """
    page_url = f"{index.url}/{project}/"
    headers = {"accept": _ACCEPT}
    if index.authorization is not None:
        headers["authorization"] = index.authorization
    response = await client.get(page_url, headers=headers)
    if not response.is_success:
        raise Failed(f"The package index answered {response.status_code} for {project}.")
    base = str(response.extensions.get("final_url", page_url))
    files = read_page(response.text, response.headers.get("content-type", ""))
    for name, url, digest in files:
        if name == filename:
            if digest is not None and digest.lower() != sha256:
                raise Failed(f"The package index has another file under the name {filename}.")
            return _link(base, url)
    raise Failed(f"The package index has no {filename}.")


def _link(base: str, url: str) -> str:
    try:
        return join_url(base, url).partition("#")[0]
    except InvalidUrl as error:
        raise Failed(f"The package index names an unusable address: {error}") from error


class _File(msgspec.Struct):
    """The keys of a PEP 691 file entry that matter here."""

    filename: Annotated[str, msgspec.Meta(max_length=300)]
    url: Annotated[str, msgspec.Meta(max_length=4000)]
    hashes: dict[str, str] = {}


class _Project(msgspec.Struct):
    """A PEP 691 project page."""

    files: list[_File]


def read_page(text: str, content_type: str) -> list[tuple[str, str, str | None]]:
    """File name, URL as written and sha256 (if named) of every file of a project page.

    Raises:
        Failed: If the page makes no sense.
    """
    if "json" not in content_type:
        reader = _Links()
        reader.feed(text)
        return reader.files
    try:
        project = msgspec.json.decode(text, type=_Project)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise Failed(f"The package index answered with something unreadable: {error}") from error
    return [(file.filename, file.url, file.hashes.get("sha256")) for file in project.files]


class _Links(HTMLParser):
    """Anchors of a PEP 503 page."""

    def __init__(self) -> None:
        super().__init__()
        self.files: list[tuple[str, str, str | None]] = []
        self._href: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, Any]]) -> None:
        if tag == "a":
            self._href = dict(attrs).get("href")

    def handle_data(self, data: str) -> None:
        if self._href is not None and data.strip():
            _, _, fragment = self._href.partition("#")
            digest = fragment.removeprefix("sha256=") if "sha256=" in fragment else None
            self.files.append((data.strip(), self._href, digest))

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            self._href = None
