"""`healthcheck [URL]`: is an exporter alive there? For containers and probes.

Any HTTP answer will do, a refusal for want of a password too; so will a TLS server that asks for a client
certificate. Nothing secret is sent, so the server's certificate is of no interest.
"""

from __future__ import annotations

import argparse
import http.client
import ssl
import sys
from urllib.parse import urlsplit

SECONDS = 5.0


def run(arguments: argparse.Namespace) -> int:
    parts = urlsplit(arguments.url)
    try:
        port = parts.port
    except ValueError:
        port = -1
    if parts.scheme not in ("http", "https") or not parts.hostname or port == -1:
        print(f"winet-exporter healthcheck: {arguments.url!r} is no http:// or https:// URL", file=sys.stderr)
        return 2
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        context = ssl._create_unverified_context()  # noqa: SLF001  the only public spelling takes two steps
        connection = http.client.HTTPSConnection(parts.hostname, port, timeout=SECONDS, context=context)
    else:
        connection = http.client.HTTPConnection(parts.hostname, port, timeout=SECONDS)
    encrypted = False
    try:
        connection.connect()
        encrypted = parts.scheme == "https"
        connection.request("GET", parts.path or "/-/healthy")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        # TLS came about and then the line was cut: the server wants a certificate of ours (TLS 1.3 says so
        # only now, TLS 1.2 in the handshake)
        wants_certificate = encrypted and not isinstance(error, TimeoutError)
        if wants_certificate or (isinstance(error, ssl.SSLError) and "ALERT" in (error.reason or "")):
            return 0
        print(f"unhealthy: {error}", file=sys.stderr)
        return 1
    finally:
        connection.close()
    if status >= 500:
        print(f"unhealthy: HTTP {status}", file=sys.stderr)
        return 1
    return 0
