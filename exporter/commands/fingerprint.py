"""`fingerprint HOST`: the SHA-256 of the gateway's certificate, as the line of YAML that pins it."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from dataclasses import replace
from datetime import UTC, datetime

from exporter import config, config_target, logs
from exporter.commands.target_flags import described, find_in_file
from exporter.telemetry import printable
from exporter.winet import errors, tls
from exporter.winet.dial import Dialer, make_http_client

NO_CERTIFICATE = "Without TLS there is no certificate to pin; older firmware has none."


def run(arguments: argparse.Namespace) -> int:
    logs.configure(arguments.log_level, arguments.log_format)
    try:
        target = find(arguments)
    except (ValueError, config.ConfigError) as error:
        print(f"winet-exporter fingerprint: {error}", file=sys.stderr)
        return 2
    certificate, failure = asyncio.run(fetch(target))
    if certificate is None:
        print(f"winet-exporter fingerprint: {failure}", file=sys.stderr)
        words = failure.advice if isinstance(failure, errors.Unreachable) else NO_CERTIFICATE
        print(f"  {words}", file=sys.stderr)
        return 1
    if failure is not None:
        print(f"warning: this may be no WiNet: {printable(str(failure))}", file=sys.stderr)
    ends = tls.expiry(certificate)
    day = None if ends is None else datetime.fromtimestamp(ends, UTC).date().isoformat()
    if arguments.json:
        document = {
            "host": arguments.host,
            "fingerprint": certificate.fingerprint,
            "subject": printable(tls.subject(certificate)),
            "ends": day,
        }
        print(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        print(f'fingerprints: ["{certificate.fingerprint}"]')
        subject = printable(tls.subject(certificate)) or "no subject"
        print(f"{subject}, ends {day}. A pin proves a WiNet, not yours.", file=sys.stderr)
    return 0


def find(arguments: argparse.Namespace) -> config.Target:
    """The gateway, to be asked for TLS whatever the configuration says of transport and pins."""
    if arguments.config_file is not None:
        target, _ = find_in_file(arguments)
    else:
        target = described({"host": arguments.host})
    port = None if target.port in config_target.PLAIN_PORTS else target.port
    return replace(
        target, port=port, credentials=None, transport="wss", verify="bypass", fingerprints=(), ca_file=None
    )


async def fetch(target: config.Target) -> tuple[tls.Certificate | None, errors.WinetError | None]:
    """The certificate, if there is TLS, and what stood against a WebSocket behind it."""
    async with make_http_client() as http:
        dialer = Dialer(target, http)
        try:
            websocket, _ = await dialer.open()
        except errors.TransportError as error:
            return dialer.certificate, error
        await websocket.close()
        return dialer.certificate, None
