"""The owner of a port is found, or honestly not."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest

from carapace.cli.port_owner import port_owner


@pytest.fixture
def port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.mark.skipif(sys.platform != "linux", reason="read from /proc")
def test_the_process_is_named(port: int):
    owner = port_owner(f"ws://127.0.0.1:{port}")
    assert owner is not None
    assert f"process {os.getpid()}" in owner.text


def test_a_closed_port_and_another_machine_have_no_owner():
    assert port_owner("ws://127.0.0.1:9") is None
    assert port_owner("ws://192.0.2.1:18789") is None
    assert port_owner("ws://127.0.0.1") is None


def test_an_owner_that_may_not_be_seen_is_said(port: int, tmp_path: Path):
    owner = port_owner(f"ws://127.0.0.1:{port}", proc=tmp_path)
    assert owner is not None
    assert not owner.is_gateway
    assert "cannot see" in owner.text


@pytest.mark.parametrize(("command", "ours"), [("python\0cara\0up", True), ("nginx", False)])
def test_our_own_kind_is_recognised(port: int, tmp_path: Path, command: str, ours: bool):
    (tmp_path / "net").mkdir()
    row = f"0: 0100007F:{port:04X} 00000000:0000 0A 0:0 0:0 0 0 0 777 1"
    (tmp_path / "net" / "tcp").write_text(f"head\n{row}\n")
    (tmp_path / "12" / "fd").mkdir(parents=True)
    (tmp_path / "12" / "fd" / "3").symlink_to("socket:[777]")
    (tmp_path / "13").mkdir()
    (tmp_path / "12" / "cmdline").write_text(command)
    owner = port_owner(f"ws://127.0.0.1:{port}", proc=tmp_path)
    assert owner is not None
    assert owner.is_gateway is ours
    (tmp_path / "12" / "cmdline").unlink()
    owner = port_owner(f"ws://127.0.0.1:{port}", proc=tmp_path)
    assert owner is not None
    assert "unknown" in owner.text
