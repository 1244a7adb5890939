"""Only `net` opens outbound connections: read off the source, module by module (advisory F06)."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import carapace

SOURCE = Path(carapace.__file__).parent

# Libraries that can reach another machine, and nobody outside `net` needs.
NEVER = {
    "anyio",
    "asyncssh",
    "ftplib",
    "http.client",
    "httpcore2",
    "imaplib",
    "nntplib",
    "paramiko",
    "poplib",
    "requests",
    "smtplib",
    "telnetlib",
    "urllib.request",
    "urllib3",
    "websockets",
    "wsproto",
    "xmlrpc",
}
# `httpx2` outside `net` is for its types and errors, `aiohttp` for its server.
CLIENTS = {
    "AsyncClient",
    "AsyncHTTPTransport",
    "Client",
    "ClientSession",
    "HTTPTransport",
    "TCPConnector",
    "UnixConnector",
    "ws_connect",
}
LIBRARY_VERBS = {"delete", "get", "head", "options", "patch", "post", "put", "request", "stream"}
OPENERS = {
    "create_connection",
    "create_datagram_endpoint",
    "create_unix_connection",
    "getaddrinfo",
    "gethostbyaddr",
    "gethostbyname",
    "gethostbyname_ex",
    "getnameinfo",
    "open_connection",
    "open_unix_connection",
    "sock_connect",
    "sock_sendto",
}
SDKS = {"AsyncAnthropic", "AsyncOpenAI"}

# Who may use sockets all the same, and why. The list only shrinks.
SOCKETS = {
    "server/app.py": "listens",
    "server/bind.py": "looks which addresses it can listen on",
    "app/source.py": "reads the name of this machine",
    "cli/port_owner.py": "asks whether somebody listens on the gateway's own port",
    "plugins/host/worker.py": "makes the pair of sockets to a worker; connects to nothing",
    "cli/websocket.py": "a command speaks to its own gateway, which the operator named",
}
OPENING = {"cli/websocket.py": "as above"}


def imports(tree: ast.AST) -> Iterator[str]:
    """Modules that a tree imports, by any of the usual ways."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and name_of(node.func) in {"import_module", "__import__"}:
            yield from (
                one.value
                for one in node.args
                if isinstance(one, ast.Constant) and isinstance(one.value, str)
            )


def name_of(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def within(module: str, names: set[str]) -> bool:
    return any(module == name or module.startswith(name + ".") for name in names)


def problems(tree: ast.AST, *, may_socket: bool = False, may_open: bool = False) -> Iterator[str]:
    """What a module outside `net` does that only `net` may."""
    for module in imports(tree):
        if within(module, NEVER):
            yield f"imports {module}"
        if within(module, {"socket", "_socket"}) and not may_socket:
            yield f"imports {module}"
        if module.rpartition(".")[2] in CLIENTS and within(module, {"aiohttp", "httpx2"}):
            yield f"imports {module}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield from library_calls(node, tree)
        if isinstance(node, ast.Call):
            called = name_of(node.func)
            if called in OPENERS and not may_open:
                yield f"calls {called}"
            if called in SDKS and "http_client" not in {key.arg for key in node.keywords}:
                yield f"gives {called} a way out of its own"


def library_calls(node: ast.Attribute, tree: ast.AST) -> Iterator[str]:
    """Clients that are made, and functions that go out at once."""
    library = name_of(node.value)
    if library in {"httpx2", "aiohttp"}:
        if node.attr in CLIENTS and is_called(node, tree):
            yield f"makes {library}.{node.attr}"
        if node.attr in LIBRARY_VERBS:
            yield f"calls {library}.{node.attr}"


def is_called(attribute: ast.Attribute, tree: ast.AST) -> bool:
    """A class that is called is made; elsewhere it may be a type."""
    return any(isinstance(node, ast.Call) and node.func is attribute for node in ast.walk(tree))


def modules() -> list[str]:
    found = (path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*.py"))
    return sorted(name for name in found if not name.startswith("net/"))


def test_no_module_but_those_of_net_opens_a_connection():
    found = [
        f"{name}: {problem}"
        for name in modules()
        for problem in problems(
            ast.parse((SOURCE / name).read_text("utf-8")),
            may_socket=name in SOCKETS,
            may_open=name in OPENING,
        )
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("name", sorted(SOCKETS))
def test_every_exception_is_still_needed(name):
    tree = ast.parse((SOURCE / name).read_text("utf-8"))
    assert "imports socket" in set(problems(tree, may_open=True))
    if name in OPENING:
        assert any(problem.startswith("calls") for problem in problems(tree, may_socket=True))


@pytest.mark.parametrize(
    "code",
    [
        "import socket",
        "import socket as s",
        "from socket import create_connection",
        "import http.client",
        "from http import client",
        "from urllib import request",
        "import urllib.request as r",
        "import importlib; importlib.import_module('socket')",
        "__import__('smtplib')",
        "import httpcore2",
        "from httpcore2 import AsyncConnectionPool",
        "import httpx2; httpx2.AsyncClient()",
        "import httpx2; httpx2.get('https://a.example')",
        "from httpx2 import AsyncClient",
        "import aiohttp; aiohttp.ClientSession()",
        "from aiohttp import ClientSession",
        "import aiohttp; aiohttp.request('GET', 'x')",
        "import asyncio\nasync def f(): await asyncio.open_connection('a', 1)",
        "from asyncio import open_connection\nasync def f(): await open_connection('a', 1)",
        "async def f(loop, s): await loop.sock_connect(s, ('a', 1))",
        "async def f(loop): await loop.create_connection(None, 'a', 1)",
        "async def f(loop): await loop.getaddrinfo('a', 1)",
        "def f(openai): return openai.AsyncOpenAI(api_key='k')",
        "def f(sdk): return sdk.AsyncAnthropic()",
    ],
)
def test_every_way_around_net_is_seen(code):
    assert list(problems(ast.parse(code)))


@pytest.mark.parametrize(
    "code",
    [
        "import httpx2\ndef f(c: httpx2.AsyncClient): return c.get('https://a.example')",
        "import httpx2\ntry: pass\nexcept httpx2.HTTPError: pass",
        "from aiohttp import web\nweb.Application()",
        "from urllib.parse import urlsplit",
        "def f(sdk, c): return sdk.AsyncOpenAI(http_client=c)",
        "import sqlite3; sqlite3.connect('x')",
    ],
)
def test_types_servers_and_errors_are_no_way_out(code):
    assert not list(problems(ast.parse(code)))
