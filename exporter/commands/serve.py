"""`serve`: the exporter itself. Wires configuration, pool, exposition and server together."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from exporter import DEFAULT_PORT, __version__, config, logs
from exporter.clock import steady
from exporter.commands import process
from exporter.commands.running import Exporter, Shard
from exporter.metrics import catalogue
from exporter.web.operations import Operations
from exporter.web.server import Address, Server
from exporter.winet.memory import Memory

if TYPE_CHECKING:
    from exporter.web.security import Security

log = logging.getLogger(__name__)

TAKEN_PATHS = ("/probe", "/sd", "/config")


def run(arguments: argparse.Namespace, alongside: Callable[[], object] = lambda: None) -> int:
    """Serve until told to end. `alongside` is called in the event loop before anything else."""
    logs.configure(arguments.log_level, arguments.log_format)
    try:
        addresses = [parse_address(text) for text in arguments.listen or [f":{DEFAULT_PORT}"]]
        settings = load_config(arguments.config_file)
        check_path(arguments.telemetry_path)
        options = parse_options(arguments)
        known = catalogue.load(settings.catalogue_files)
        security = load_security(arguments.web_config_file)
    except (config.ConfigError, catalogue.CatalogueError) as error:
        print(f"winet-exporter: {error}", file=sys.stderr)
        return 1
    except ValueError as error:
        print(f"winet-exporter: {error}", file=sys.stderr)
        return 2
    for warning in settings.warnings:
        log.warning("configuration", extra={"fields": {"warning": warning}})
    process.raise_open_files()
    process.be_patient()
    with process.make_runner() as runner:
        runner.get_loop().call_soon(alongside)
        return runner.run(
            serve(
                settings,
                known,
                addresses,
                arguments.telemetry_path,
                load=lambda: load_config(arguments.config_file),
                options=options,
                security=security,
            )
        )


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


class Options(NamedTuple):
    """What the flags allow: `external_host` is that of --web.external-url."""

    lifecycle: bool = False
    external_host: str = ""
    shard: Shard = Shard()
    storage: Path | None = None


DEFAULT_OPTIONS = Options()


def parse_options(arguments: argparse.Namespace) -> Options:
    """Raises `ValueError` for flags that do not fit together."""
    if not 0 <= arguments.shard < arguments.total_shards:
        raise ValueError("--shard must be from 0 to --total-shards less 1")
    host = ""
    if arguments.external_url:
        url = urlsplit(arguments.external_url)
        if url.scheme not in ("http", "https") or not url.hostname:
            raise ValueError("--web.external-url must be a URL such as https://solar.example.org/")
        host = url.hostname
    storage = Path(arguments.storage_path) if arguments.storage_path else None
    return Options(arguments.lifecycle, host, Shard(arguments.shard, arguments.total_shards), storage)


def load_security(path: str | None) -> Security | None:
    """What the web configuration file asks for; None without one. Raises `ConfigError`."""
    if not path:
        return None
    # bcrypt, and a server's TLS: not for an exporter that lets everybody in
    from exporter.web.security import Security

    security = Security(Path(path))
    for warning in security.warnings:
        log.warning("web configuration", extra={"fields": {"file": path, "warning": warning}})
    return security


def parse_address(text: str) -> Address:
    """`:PORT`, `HOST:PORT` or `[::1]:PORT`."""
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([^:\[\]]*)):([0-9]{1,5})", text)
    if match is None or int(match[3]) > 65535:
        raise ValueError(f"--web.listen-address: {text!r} is neither :PORT nor HOST:PORT")
    return Address(match[1] or match[2] or None, int(match[3]))


def check_path(path: str) -> None:
    if not re.fullmatch(r"/[A-Za-z0-9_./-]*", path):
        raise ValueError(f"--web.telemetry-path: {path!r} must begin with / and be a plain path")
    if path in TAKEN_PATHS:
        raise ValueError(f"--web.telemetry-path: {path!r} is taken by another page")
    if path.startswith(("/-/", "/api/")):
        raise ValueError(
            f"--web.telemetry-path: {path!r} is taken; /-/ holds health and readiness, /api/ the status"
        )


async def serve(
    settings: config.Config,
    known: catalogue.Catalogue,
    addresses: list[Address],
    telemetry_path: str = "/metrics",
    *,
    load: Callable[[], config.Config] | None = None,
    options: Options = DEFAULT_OPTIONS,
    security: Security | None = None,
    on_ready: Callable[[list[Address]], None] = lambda addresses: None,
    end: asyncio.Event | None = None,
) -> int:
    """Run until SIGTERM or SIGINT, or until `end` is set. Returns the exit code."""
    end = end or asyncio.Event()
    try:
        memory = await asyncio.to_thread(Memory.load, options.storage) if options.storage else None
    except OSError as error:
        print(f"winet-exporter: --storage.path: {error}", file=sys.stderr)
        return 1
    exporter = Exporter(settings, known, load=load, shard=options.shard, memory=memory)
    hang_up = asyncio.Event()
    server = _server_of(exporter, hang_up, telemetry_path, options, security)
    try:
        bound = await server.start(addresses)
    except OSError as error:
        print(f"winet-exporter: cannot listen: {error.strerror or error}", file=sys.stderr)
        return 1
    with _signals(end, hang_up):
        settling = process.settle_later()
        try:
            async with exporter:
                told = ",".join(map(spell_address, bound))
                fields = {"version": __version__, "addresses": told, "targets": len(exporter.pool.names)}
                log.info("listening", extra={"fields": fields})
                on_ready(bound)
                await end.wait()
                log.info("shutting down")
                await server.aclose()
        finally:
            settling.cancel()
            await server.aclose()
    return 0


def _server_of(
    exporter: Exporter,
    hang_up: asyncio.Event,
    telemetry_path: str,
    options: Options,
    security: Security | None,
) -> Server:
    """The server in front of an exporter, which is reloaded whenever `hang_up` is set."""

    async def reload_on_signal() -> None:
        while True:
            await hang_up.wait()
            hang_up.clear()
            await exporter.reload()

    return Server(
        exporter.exposition,
        exporter.pool.statuses,
        exporter.tasks_alive,
        telemetry_path=telemetry_path,
        clock=steady,
        security=security,
        operations=operations_of(exporter, options),
        background=(exporter.watch, reload_on_signal),
    )


@contextmanager
def _signals(end: asyncio.Event, hang_up: asyncio.Event) -> Iterator[None]:
    """SIGTERM and SIGINT set `end`, SIGHUP sets `hang_up`, until this is left."""
    loop = asyncio.get_running_loop()
    handlers = {signal.SIGTERM: end.set, signal.SIGINT: end.set, signal.SIGHUP: hang_up.set}
    for number, handler in handlers.items():
        loop.add_signal_handler(number, handler)
    try:
        yield
    finally:
        for number in handlers:
            loop.remove_signal_handler(number)


def operations_of(exporter: Exporter, options: Options) -> Operations:
    """What the operator's routes do."""
    return Operations(
        probe=exporter.probe,
        discovery=exporter.discovery,
        configuration=exporter.configuration,
        reload=exporter.reload,
        pause=exporter.pool.pause,
        resume=exporter.pool.resume,
        lifecycle=options.lifecycle,
        external_host=options.external_host,
        begun=lambda: exporter.begun,
    )


def spell_address(address: Address) -> str:
    host = address.host or ""
    return f"[{host}]:{address.port}" if ":" in host else f"{host}:{address.port}"
