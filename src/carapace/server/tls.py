"""TLS on the gateway's own port: certificate and key from files."""

from __future__ import annotations

import ssl
from pathlib import Path

from carapace.config.settings.gateway import TlsSettings
from carapace.errors import Refused

__all__ = ["server_context"]


def server_context(settings: TlsSettings) -> ssl.SSLContext | None:
    """What the listener needs to speak TLS, or None if it does not.

    Raises:
        Refused: If a file is not named, missing or not what it should be.
    """
    if not settings.enabled:
        return None
    if not settings.cert_path or not settings.key_path:
        raise Refused(
            "gateway.tls.enabled needs gateway.tls.certPath and gateway.tls.keyPath: set both to "
            "PEM files, or set gateway.tls.enabled to false"
        )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(
            Path(settings.cert_path).expanduser(), Path(settings.key_path).expanduser()
        )
    except (OSError, ssl.SSLError) as error:
        raise Refused(
            f"the TLS certificate cannot be used ({error}): check gateway.tls.certPath "
            f"({settings.cert_path}) and gateway.tls.keyPath ({settings.key_path})"
        ) from error
    return context
