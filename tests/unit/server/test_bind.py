"""What can be listened on, what is refused, and who has the port."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

import pytest

from carapace.config.settings.gateway import GatewaySettings, TailscaleSettings
from carapace.errors import Failed, Refused
from carapace.server import bind
from carapace.server.bind import BindPlan, listen, plan, port_owner, tailnet_address


def planned(mode: str, *, credential: bool = True, tailnet: str | None = None, **more) -> BindPlan:
    settings = GatewaySettings(bind=mode, **more)  # type: ignore[arg-type]
    return plan(settings, has_credential=credential, tailnet=lambda: tailnet)


@pytest.mark.parametrize("mode", ["loopback", "auto"])
def test_loopback_and_auto_stay_on_this_machine(mode):
    found = planned(mode, credential=False)
    assert (found.hosts, found.optional) == (("127.0.0.1",), ("::1",))
    assert found.is_loopback


def test_lan_listens_everywhere():
    assert planned("lan").hosts == ("0.0.0.0",)  # noqa: S104 - what `lan` means


def test_tailnet_listens_there_and_on_loopback():
    assert planned("tailnet", tailnet="100.64.1.2").hosts == ("100.64.1.2", "127.0.0.1")


def test_without_a_tailnet_it_narrows_to_loopback_and_says_so():
    found = planned("tailnet", credential=False)
    assert found.is_loopback
    assert found.warning is not None
    assert "start Tailscale" in found.warning


def test_custom_takes_an_address():
    assert planned("custom", custom_bind_host="[::1]").hosts == ("::1",)


@pytest.mark.parametrize("host", [None, "", "example.org", "0.0.0.0/0"])
def test_custom_without_an_address_is_refused(host):
    with pytest.raises(Refused, match="customBindHost"):
        planned("custom", custom_bind_host=host)


@pytest.mark.parametrize(
    ("mode", "more"),
    [("lan", {}), ("custom", {"custom_bind_host": "10.0.0.1"}), ("tailnet", {})],
)
def test_other_machines_need_a_credential(mode, more):
    with pytest.raises(Refused, match=r"gateway\.auth\.token"):
        planned(mode, credential=False, tailnet="100.64.1.2", **more)


def test_tailscale_serve_wants_loopback_only():
    with pytest.raises(Refused, match=r"needs gateway\.bind loopback"):
        planned("lan", tailscale=TailscaleSettings(mode="serve"))


def test_all_sockets_share_one_free_port():
    sockets = listen(BindPlan(("127.0.0.1",), ("::1",)), 0)
    assert len({opened.getsockname()[1] for opened in sockets}) == 1
    for opened in sockets:
        opened.close()


def test_an_address_this_machine_lacks_is_skipped_if_optional_and_an_error_if_not():
    sockets = listen(BindPlan(("127.0.0.1",), ("192.0.2.1",)), 0)
    assert len(sockets) == 1
    sockets[0].close()
    with pytest.raises(Failed, match=r"cannot listen on 192\.0\.2\.1"):
        listen(BindPlan(("127.0.0.1", "192.0.2.1")), 0)


def test_a_taken_port_says_who_has_it_and_what_to_do():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Failed, match="--port") as failed:
            listen(BindPlan(("127.0.0.1",)), port)
    if Path("/proc/net/tcp").exists():
        assert f"(pid {os.getpid()})" in failed.value.message


def test_a_taken_optional_address_is_an_error():
    sockets = listen(BindPlan(("127.0.0.1",)), 0)
    port = sockets[0].getsockname()[1]
    with pytest.raises(Failed, match="already in use"):
        listen(BindPlan(("127.0.0.2",), ("127.0.0.1",)), port)
    sockets[0].close()


def test_a_port_that_needs_rights_says_so(monkeypatch):
    def refuse(host: str, port: int) -> socket.socket:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(bind, "_open", refuse)
    with pytest.raises(Failed, match="above 1023"):
        listen(BindPlan(("127.0.0.1",)), 80)


def test_an_owner_is_found_in_the_kernels_tables(tmp_path):
    (tmp_path / "net").mkdir()
    line = "0: 0100007F:4965 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 777 1"
    (tmp_path / "net" / "tcp").write_text(f"header\n{line}\n")
    for pid, target in (("12", "socket:[1]"), ("34", "socket:[777]")):
        (tmp_path / pid / "fd").mkdir(parents=True)
        (tmp_path / pid / "fd" / "3").symlink_to(target)
        (tmp_path / pid / "comm").write_text("node\n")
    (tmp_path / "56").mkdir()
    assert port_owner(0x4965, tmp_path) == "node (pid 34)"
    assert port_owner(1, tmp_path) is None
    (tmp_path / "34" / "fd" / "3").unlink()
    assert port_owner(0x4965, tmp_path) is None


def test_a_tailnet_address_is_in_its_range_or_none(monkeypatch):
    found = tailnet_address()
    assert found is None or found.startswith("100.")

    class NoRoute(socket.socket):
        def connect(self, address: object) -> None:
            raise OSError(errno.ENETUNREACH, "no route")

    monkeypatch.setattr(bind.socket, "socket", NoRoute)
    assert tailnet_address() is None
