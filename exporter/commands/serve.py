"""`serve`: the exporter itself. Wires configuration, pool, exposition and server together."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from exporter import DEFAULT_PORT, __version__, config, logs
from exporter.metrics import catalogue
from exporter.metrics.exposition import Exposition
from exporter.web.server import Address, Server
from exporter.winet.pool import Pool

log = logging.getLogger(__name__)


def run(arguments: argparse.Namespace) -> int:
    logs.configure(arguments.log_level, arguments.log_format)
    try:
        addresses = [parse_address(text) for text in arguments.listen or [f":{DEFAULT_PORT}"]]
        settings = load_config(arguments.config_file)
        check_path(arguments.telemetry_path)
        known = catalogue.load([Path(file) for file in settings.catalogue_files])
    except (config.ConfigError, catalogue.CatalogueError) as error:
        print(f"winet-exporter: {error}", file=sys.stderr)
        return 1
    except ValueError as error:
        print(f"winet-exporter: {error}", file=sys.stderr)
        return 2
    for warning in settings.warnings:
        log.warning("configuration", extra={"fields": {"warning": warning}})
    return asyncio.run(serve(settings, known, addresses, arguments.telemetry_path))


def load_config(path: str | None) -> config.Config:
    """The configuration of the file or the environment. Raises `ConfigError`; `ValueError` for neither."""
    if path is not None:
        if os.environ.get("WINET_HOST"):
            log.warning("WINET_HOST is ignored, for there is a configuration file")
        return config.load(Path(path))
    settings = config.from_environment(os.environ)
    if settings is None:
        raise ValueError(
            "nothing to read: give --config.file=FILE, or set WINET_HOST (and WINET_USERNAME, "
            "WINET_PASSWORD); 'winet-exporter demo' needs neither"
        )
    return settings


def parse_address(text: str) -> Address:
    """`:PORT`, `HOST:PORT` or `[::1]:PORT`."""
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([^:\[\]]*)):([0-9]{1,5})", text)
    if match is None or int(match[3]) > 65535:
        raise ValueError(f"--web.listen-address: {text!r} is neither :PORT nor HOST:PORT")
    return Address(match[1] or match[2] or None, int(match[3]))


def check_path(path: str) -> None:
    if not re.fullmatch(r"/[A-Za-z0-9_./-]*", path):
        raise ValueError(f"--web.telemetry-path: {path!r} must begin with / and be a plain path")
    if path.startswith("/-/"):
        raise ValueError(f"--web.telemetry-path: {path!r} is taken; /-/ holds health and readiness")


async def serve(
    settings: config.Config,
    known: catalogue.Catalogue,
    addresses: list[Address],
    telemetry_path: str = "/metrics",
    *,
    on_ready: Callable[[list[Address]], None] = lambda addresses: None,
    end: asyncio.Event | None = None,
) -> int:
    """Run until SIGTERM or SIGINT, or until `end` is set. Returns the exit code."""
    end = end or asyncio.Event()
    exposition = Exposition(known)

    def changed(target: str) -> None:
        exposition.update(pool.status(target), pool.snapshot(target))

    pool = Pool(settings.targets, on_change=changed)
    server = Server(exposition, pool.statuses, pool.tasks_alive, telemetry_path=telemetry_path)
    try:
        bound = await server.start(addresses)
    except OSError as error:
        print(f"winet-exporter: cannot listen: {error.strerror or error}", file=sys.stderr)
        return 1
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, end.set)
    try:
        async with pool:
            log.info(
                "listening",
                extra={
                    "fields": {
                        "version": __version__,
                        "addresses": ",".join(map(spell_address, bound)),
                        "targets": len(settings.targets),
                    }
                },
            )
            on_ready(bound)
            await end.wait()
            log.info("shutting down")
            await server.aclose()
    finally:
        await server.aclose()
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(name)
    return 0


def spell_address(address: Address) -> str:
    host = address.host or ""
    return f"[{host}]:{address.port}" if ":" in host else f"{host}:{address.port}"
