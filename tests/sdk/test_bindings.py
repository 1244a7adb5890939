"""The library and the bindings that componentize-py makes understand each other."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from carapace_plugin import (
    Channel,
    Delivered,
    HostError,
    NotGranted,
    Outgoing,
    PluginError,
    channel,
    host,
    http,
    kv,
    tool,
    webhook,
)
from carapace_plugin.guest import exports_of
from carapace_plugin.values import lift, lower

from carapace.plugins.sdk.contract import contract_path

pytestmark = pytest.mark.slow
ROLES = ("channel", "webhook", "tool", "service", "hooks", "setup")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("componentize_py")
    folder = tmp_path_factory.mktemp("bindings")
    command = [sys.executable, "-c", "import componentize_py as c; c.script()"]
    command += ["-d", str(contract_path()), "-w", "everything", "bindings", str(folder / "b")]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return folder / "b"


@pytest.fixture
def bindings(made: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(made))
    yield importlib.import_module("wit_world")
    for name in [each for each in sys.modules if each.split(".")[0] == "wit_world"]:
        del sys.modules[name]
    sys.modules.pop("componentize_py_types", None)


@pytest.fixture
def types(bindings: Any) -> Any:
    return importlib.import_module("wit_world.imports.types")


def test_requests_cross_and_answers_come_back(bindings: Any, types: Any, monkeypatch):
    module = importlib.import_module("wit_world.imports.http")
    asked: list[Any] = []

    def fetch(request: Any) -> Any:
        asked.append(request)
        return module.Response(200, [types.Header("a", "b")], types.Body_Text("hi"))

    fetch.__module__ = module.__name__
    fetch.__annotations__ = dict(module.fetch.__annotations__)
    monkeypatch.setattr(module, "fetch", fetch)
    with host.use_backend(host._Bindings()):
        got = http.get("https://a.example/", secrets=[http.header_secret("n", "x")], want="media")
    assert (got.text, got.header("a")) == ("hi", "b")
    assert asked[0].want is module.Want.MEDIA
    assert asked[0].body == types.Body_Empty()
    assert asked[0].secrets == [module.SecretUse("n", module.Place_Header("x"), None)]


def test_errors_come_back_as_exceptions(bindings: Any, types: Any, monkeypatch):
    module = importlib.import_module("wit_world.imports.kv")
    err = importlib.import_module("componentize_py_types").Err

    def get(key: str) -> Any:
        raise err(types.Error("quota", f"No {key}.", True, 5))

    get.__module__ = module.__name__
    monkeypatch.setattr(module, "get", get)
    with host.use_backend(host._Bindings()), pytest.raises(HostError) as caught:
        kv.get("a")
    assert caught.value.to_wire() == {
        "code": "quota",
        "message": "No a.",
        "retryable": True,
        "retry_after_ms": 5,
    }


def test_what_the_manifest_does_not_name_is_told(bindings: Any, monkeypatch):
    real = importlib.import_module

    def without_kv(name: str) -> Any:
        if name == "wit_world.imports.kv":
            raise ModuleNotFoundError(name)
        return real(name)

    monkeypatch.setattr(host.importlib, "import_module", without_kv)
    backend = host._Bindings()
    with host.use_backend(backend), pytest.raises(NotGranted, match="kv_max_bytes"):
        kv.get("a")


def test_every_role_is_a_class_with_every_function(bindings: Any):
    classes = exports_of("p", "1.0.0", ROLES)
    protocols = importlib.import_module("wit_world.exports")
    assert set(classes) == {"Manifest", *(each.capitalize() for each in ROLES)}
    for name, made in classes.items():
        declared = {each for each in vars(getattr(protocols, name)) if not each.startswith("_")}
        assert declared <= set(vars(made))
    info = classes["Manifest"]().describe()
    assert (info.id, info.version) == ("p", "1.0.0")


def test_exports_take_and_give_the_bindings_values(bindings: Any, types: Any):
    @tool
    def greet(name: str) -> str:
        """Greet."""
        if not name:
            raise PluginError("empty", "Say whom.")
        return f"Hi, {name}"

    @webhook("/e")
    def events(_request: object) -> str:
        return "ok"

    @channel
    class Mine(Channel):
        id = "mine"
        label = "Mine"
        features = ("edit", "look-up")

        def send_text(self, outgoing: Outgoing) -> Any:
            return Delivered(outgoing.target.thread_id)

    classes: Any = exports_of("p", "1.0.0", ROLES)
    exports = importlib.import_module("wit_world.exports")
    assert classes["Tool"]().invoke("greet", '{"name": "A"}') == '"Hi, A"'
    err = importlib.import_module("componentize_py_types").Err
    with pytest.raises(err) as caught:
        classes["Tool"]().invoke("greet", '{"name": ""}')
    assert caught.value.value == types.Error("empty", "Say whom.", False, None)
    module = exports.channel
    about = classes["Channel"]().describe()
    assert about.features == module.Features.EDIT | module.Features.LOOK_UP
    target = module.Target("a", "c", "t")
    outgoing = module.Outgoing(target, "x", [], None, None, "k", False, 1)
    assert classes["Channel"]().send_text(outgoing) == module.Outcome_Delivered("t")
    asked = exports.webhook.Request("GET", "/e", "", [], types.Body_Empty(), "", 0.0)
    assert classes["Webhook"]().handle(asked).body == types.Body_Text("ok")


def test_results_and_flags_become_plain(bindings: Any, types: Any):
    result = importlib.import_module("componentize_py_types")
    error = types.Error("c", "m", False, None)
    assert lift(result.Err(error))["err"]["code"] == "c"
    assert lift(result.Ok([types.Body_Text("x")])) == {"ok": [{"tag": "text", "value": "x"}]}
    features = importlib.import_module("wit_world.exports.channel").Features
    assert lift(features.LOOK_UP | features.EDIT) == ["look-up", "edit"]


def test_tuples_and_unknown_hints_pass():
    assert lower([1, "a"], tuple[int, str]) == (1, "a")
    assert lower(5, "whatever") == 5
