"""`cara up`."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from cyclopts import Parameter, validators

from carapace.cli.leaving import leaving_on_sigterm
from carapace.cli.options import Remote
from carapace.cli.serving import GatewayThread, RunGateway, run_in_foreground
from carapace.cli.trouble import CONFIGURATION, Trouble
from carapace.errors import GatewayError, Refused

if TYPE_CHECKING:
    from carapace.app import UpOptions

__all__ = ["up"]


def _not_blank(_type: Any, value: str | None) -> None:
    """An empty token, as of an unset variable, must not quietly mean the generated one."""
    if value is not None and not value.strip():
        raise ValueError("it is empty")


Bind = Literal["loopback", "lan", "tailnet", "auto", "custom"]


def up(
    *,
    config: str | None = None,
    state_dir: str | None = None,
    port: Annotated[int | None, Parameter(validator=validators.Number(gte=1, lte=65_535))] = None,
    bind: Bind | None = None,
    token: Annotated[str | None, Parameter(validator=_not_blank)] = None,
    no_model: Annotated[bool, Parameter(negative="")] = False,
    no_chat: Annotated[bool, Parameter(negative="")] = False,
    json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Start the gateway here, and a chat with it.

    On a terminal a chat begins in it; leaving the chat stops the gateway. Elsewhere, or with
    --no-chat, it runs until SIGTERM or Ctrl-C. The first time, the embedded model is fetched.

    Parameters
    ----------
    config
        Configuration file; the Node gateway's own is understood.
    state_dir
        Folder for everything the gateway keeps.
    port
        Listen here instead of gateway.port.
    bind
        Where to listen, instead of gateway.bind.
    token
        Take this token instead of the one set or generated. Others can see a command line.
    no_model
        Do without the embedded model; nothing is fetched.
    no_chat
        Only the gateway.
    json
        One JSON line on standard output when it listens; no chat.
    """
    _need_file(config)
    with_chat = not (no_chat or json) and sys.stdin.isatty() and sys.stdout.isatty()
    if not no_model:
        _provide_model(config, state_dir)
    # Importing makes a hundred thousand objects that all stay: looking for garbage among them
    # takes a tenth of the start.
    gc.disable()
    from carapace.app import UpOptions, run_gateway  # noqa: PLC0415 - the whole gateway

    gc.enable()

    options = UpOptions(
        config=config,
        state_dir=state_dir,
        port=port,
        bind=bind,
        token=token,
        no_model=no_model,
        no_chat=not with_chat,
        json=json,
    )
    run: RunGateway = lambda on_ready, stop: run_gateway(  # noqa: E731 - a name for the type checker
        options, on_ready=on_ready, stop=stop
    )
    try:
        if with_chat:
            return _with_chat(run, options)
        run_in_foreground(run, _announce_json if json else _announce)
    except Refused as refused:
        raise Trouble(
            "The gateway does not start.",
            why=refused.message,
            next_step="Look closer: cara doctor",
            exit_code=CONFIGURATION,
        ) from refused
    return 0


def _need_file(config: str | None) -> None:
    """A file that is named must be there: a slip of the pen must not start on the defaults."""
    if config is not None and not Path(config).expanduser().is_file():
        raise Trouble(
            "The gateway does not start.",
            why=f"there is no configuration file {config}",
            next_step="Correct --config, or leave it out to use the usual place: cara config path",
            exit_code=CONFIGURATION,
        )


def _provide_model(config: str | None, state_dir: str | None) -> None:
    """Fetch the embedded model if nothing else could answer; failing that, go on without."""
    from carapace.agent.weights.library import Library  # noqa: PLC0415 - not needed by --help
    from carapace.cli.first_model import wanted_model  # noqa: PLC0415
    from carapace.cli.options import Place  # noqa: PLC0415
    from carapace.cli.target import load_config, paths_of  # noqa: PLC0415

    paths = paths_of(Place(config=config, state_dir=state_dir))
    settings = load_config(paths).settings
    library = Library(paths.state_dir / "models")
    name = None if settings is None else wanted_model(settings, library, os.environ)
    if name is None:
        return
    from carapace.cli.pulling import pull_model  # noqa: PLC0415 - brings the network

    _tell(f"Fetching the model {name}, once. Ctrl-C and a second `cara up` go on from there.")
    try:
        pull_model(paths, name)
    except GatewayError as error:
        _tell(f"The model could not be fetched: {error.message}")
        _tell("Starting without it. Try again with: cara model pull")


def _with_chat(run: RunGateway, options: UpOptions) -> int:
    gateway = GatewayThread(run)
    with leaving_on_sigterm():
        try:
            return _serve_and_talk(gateway, options)
        finally:
            gateway.stop()


def _serve_and_talk(gateway: GatewayThread, options: UpOptions) -> int:
    from carapace.cli.chat import talk  # noqa: PLC0415 - only for a chat
    from carapace.cli.client import GatewayClient  # noqa: PLC0415
    from carapace.cli.conversation import Conversation  # noqa: PLC0415
    from carapace.cli.target import find_target  # noqa: PLC0415

    ready = gateway.start()
    _announce(ready)
    url = f"{'wss' if ready.get('tls') else 'ws'}://{_host(ready)}:{ready['port']}"
    remote = Remote(
        config=options.config, state_dir=options.state_dir, url=url, token=options.token
    )
    target = find_target(remote)
    with GatewayClient(target) as client:
        return talk(Conversation(client, "main"), target.paths.state_dir / "chat_history")


def _announce_json(ready: dict[str, Any]) -> None:
    print(msgspec.json.encode({"event": "ready", **ready}).decode(), flush=True)


def _announce(ready: dict[str, Any]) -> None:
    scheme = "https" if ready.get("tls") else "http"
    state_dir = Path(str(ready.get("stateDir", "~/.carapace")))
    _tell(f"Carapace listens on {scheme}://{_host(ready)}:{ready['port']}")
    _tell(f"  state    {state_dir}")
    _tell("  clients  need the token: cara token show")
    _tell("  stop     Ctrl-C")


def _host(ready: dict[str, Any]) -> str:
    """Where it listens, as it goes into an address."""
    host = str(ready.get("host", "127.0.0.1"))
    return f"[{host}]" if ":" in host else host


def _tell(text: str) -> None:
    """A line for people, on standard error."""
    print(text, file=sys.stderr, flush=True)
