"""TLS needs a certificate and a key that fit, or says which setting is wrong."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from carapace.config.settings.gateway import TlsSettings
from carapace.errors import Refused
from carapace.server.tls import server_context


def certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    cert_path, key_path = folder / "cert.pem", folder / "key.pem"
    cert_path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return cert_path, key_path


def test_without_tls_there_is_no_context():
    assert server_context(TlsSettings()) is None


async def test_a_client_that_trusts_the_certificate_can_talk(tmp_path: Path):
    cert, key = certificate(tmp_path)
    context = server_context(TlsSettings(enabled=True, cert_path=str(cert), key_path=str(key)))
    assert context is not None
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    trusting = ssl.create_default_context(cafile=str(cert))
    async with server:
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=trusting, server_hostname="localhost"
        )
        assert await reader.read() == b"hello"
        writer.close()


@pytest.mark.parametrize("given", [{}, {"cert_path": "c"}, {"key_path": "k"}])
def test_both_files_have_to_be_named(given: dict[str, str]):
    with pytest.raises(Refused, match=r"gateway\.tls\.certPath and gateway\.tls\.keyPath"):
        server_context(TlsSettings(enabled=True, **given))


def test_files_that_are_missing_or_do_not_fit_are_named(tmp_path: Path):
    cert, _ = certificate(tmp_path)
    (tmp_path / "other").mkdir()
    _, other = certificate(tmp_path / "other")
    for key in ("/nowhere.pem", str(other), str(cert)):
        settings = TlsSettings(enabled=True, cert_path=str(cert), key_path=key)
        with pytest.raises(Refused, match=r"cannot be used .* check gateway\.tls\.certPath"):
            server_context(settings)
