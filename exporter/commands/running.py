"""What runs under `serve` and `demo`: targets, probes and reloads, wired to the web's routes."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import yaml

from exporter import config
from exporter.clock import steady
from exporter.commands.gate import Gate
from exporter.commands.process import uncollected, warn_of_few_files
from exporter.config import Config, Target
from exporter.metrics import catalogue
from exporter.metrics.catalogue import Catalogue
from exporter.metrics.exposition import Exposition
from exporter.targets import NotAllowed, TargetFiles, in_shard, probed
from exporter.web.operations import Overloaded, ProbeRefused, RenderScrape
from exporter.winet.memory import Memory
from exporter.winet.pool import MOST_CONNECTING, Lines, Pool, close_together
from exporter.winet.probed import Full, Probed

WATCH_SECONDS = 5.0

log = logging.getLogger(__name__)


class Shard(NamedTuple):
    """Which part of all targets this process looks after."""

    number: int = 0
    total: int = 1


WHOLE = Shard()


class Exporter:
    """The configuration in force and all that follows from it. `load` reads it anew; it blocks."""

    def __init__(
        self,
        settings: Config,
        known: Catalogue,
        *,
        load: Callable[[], Config] | None = None,
        shard: Shard = WHOLE,
        memory: Memory | None = None,
        clock: Callable[[], float] = steady,
        on_change: Callable[[str], None] = lambda target: None,
    ) -> None:
        self.settings = settings
        self._load = load
        self._shard = shard
        self._files = TargetFiles()
        self._files_warned_for = 0
        self._of_files: tuple[Target, ...] = ()
        self._changing = asyncio.Lock()
        self._gate = Gate(MOST_CONNECTING)
        self._clock = clock
        self._on_change = on_change
        self.exposition = Exposition(known, clock)
        memory = memory or Memory()
        lines = Lines()
        self.begun = False
        self.pool = Pool(on_change=self._changed, gate=self._gate, clock=clock, memory=memory, lines=lines)
        self.probes = Exposition(known, clock)
        self.probe_pool = Pool(
            on_change=self._probe_changed, gate=self._gate, clock=clock, memory=memory, lines=lines
        )
        self._shown: tuple[Config, str] | None = None
        self._probed: Probed | None = None
        self._probe_rules = settings.probe
        self._follow_probe_settings()

    def _follow_probe_settings(self) -> None:
        """Take over what the configuration allows. Sessions opened by other rules are closed.

        Without a probe section none are allowed.
        """
        probe = self.settings.probe
        if self._probed is not None and probe != self._probe_rules:
            self._probed.close_all()
        self._probe_rules = probe
        if probe is None:
            return
        if self._probed is None:
            self._probed = Probed(
                self.probe_pool,
                idle_timeout=probe.idle_timeout,
                most=probe.max_sessions,
                clock=self._clock,
                on_gone=self.probes.forget,
            )
        self._probed.limit(idle_timeout=probe.idle_timeout, most=probe.max_sessions)

    def _changed(self, target: str) -> None:
        self.exposition.update(self.pool.status(target), self.pool.snapshot(target))
        self._on_change(target)

    def _probe_changed(self, target: str) -> None:
        if self._probed is not None:
            self.probes.update(self.probe_pool.status(target), self.probe_pool.snapshot(target))
            self._probed.changed(target)

    async def __aenter__(self) -> Exporter:
        await self.pool.start()
        await self.probe_pool.start()
        await self._apply(await asyncio.to_thread(self._files.read, self.settings))
        self.exposition.reloaded(successful=True)
        self.begun = True
        return self

    async def __aexit__(self, *error: object) -> None:
        if self._probed is not None:
            self._probed.close()
        await close_together(self.pool, self.probe_pool)

    def _mine(self, targets: tuple[Target, ...]) -> list[Target]:
        return [target for target in targets if in_shard(target.name, *self._shard)]

    async def _apply(self, of_files: tuple[Target, ...]) -> None:
        """Live with the targets of the main file and of these others."""
        self._of_files = of_files
        self._leave_probed_that_are_named()
        mine = self._mine(self._configured())
        self._warn_of_few_files(len(mine))
        self._gate.expect(len(mine))
        for name in await self.pool.apply(mine):
            self.exposition.forget(name)

    def _warn_of_few_files(self, targets: int) -> None:
        """Tell it once, and again when it has become worse."""
        probed = self.settings.probe.max_sessions if self.settings.probe is not None else 0
        if targets + probed > self._files_warned_for and warn_of_few_files(targets + probed):
            self._files_warned_for = targets + probed

    def _leave_probed_that_are_named(self) -> None:
        """What is a target now has a session of its own."""
        if self._probed is not None:
            known = replace(self.settings, targets=self._configured(), probe=None)
            for name in self.probe_pool.names:
                try:
                    probed(name, known)
                except NotAllowed:
                    continue
                self._probed.leave(name)

    def _configured(self) -> tuple[Target, ...]:
        return (*self.settings.targets, *self._of_files)

    async def reload(self) -> str:
        """Read the configuration anew. Returns what is wrong; "" if nothing, else nothing changed."""
        async with self._changing:
            try:
                if not self.begun:
                    raise ValueError("it is still starting")
                if self._load is None:
                    raise ValueError("there is no configuration file to be read again")
                settings = await asyncio.to_thread(uncollected, self._load)
                known = await asyncio.to_thread(catalogue.load, settings.catalogue_files)
            except (config.ConfigError, catalogue.CatalogueError, ValueError) as error:
                log.error("not reloaded", extra={"fields": {"error": str(error)}})  # noqa: TRY400  no defect
                self.exposition.reloaded(successful=False, error=_in_short(str(error)))
                return str(error)
            for warning in settings.warnings:
                log.warning("configuration", extra={"fields": {"warning": warning}})
            self.settings = settings
            if known != self.exposition.catalogue:
                self._use(known)
            self._follow_probe_settings()
            self._files.forget()
            await self._apply(await asyncio.to_thread(self._files.read, settings))
            self.exposition.reloaded(successful=True)
            log.info("reloaded", extra={"fields": {"targets": len(self.pool.names)}})
            return ""

    def _use(self, known: Catalogue) -> None:
        """Read what is at hand by another catalogue."""
        self.exposition.use(known)
        self.probes.use(known)
        for name in self.pool.names:
            self._changed(name)
        for name in self.probe_pool.names:
            self._probe_changed(name)

    async def watch(self) -> None:
        """Follow the target files until cancelled."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            if not self.settings.target_files:
                continue
            async with self._changing:
                try:
                    found = await asyncio.to_thread(self._files.read, self.settings)
                    if found != self._of_files:
                        await self._apply(found)
                except Exception as error:  # a defect of ours must not end the watch
                    log.exception("target files", exc_info=error)

    def tasks_alive(self) -> bool:
        """False if a session's task ended on its own, which only a defect could bring about."""
        return self.pool.tasks_alive() and self.probe_pool.tasks_alive()

    # What the routes ask for -----------------------------------------------------------------------

    async def probe(self, text: str, seconds: float) -> RenderScrape:
        """How to render the target that a URL names, after it was read if it never was before."""
        known = self._configured()
        try:
            target = probed(text, replace(self.settings, targets=known))
        except NotAllowed as refused:
            raise ProbeRefused(str(refused)) from None
        if target in known:
            if not in_shard(target.name, *self._shard):
                raise ProbeRefused("another shard looks after it")
            if not self.exposition.knows(target.name):
                raise Overloaded("it is just being begun")
            return lambda form: self.exposition.render(form, target.name)
        if self._probed is None:
            raise ProbeRefused("there is no probe section")
        try:
            await self._probed.want(target, seconds)
        except Full as full:
            raise Overloaded(str(full)) from None
        return lambda form: self.probes.render(form, target.name)

    def discovery(self) -> list[dict[str, Any]]:
        """The targets of this shard in Prometheus' http_sd format."""
        found = []
        for target in self._mine(self._configured()):
            labels = {f"__meta_winet_label_{key}": value for key, value in target.labels.items()}
            host = target.host if target.port is None else f"{target.host}:{target.port}"
            found.append({"targets": [target.name], "labels": {"__meta_winet_host": host, **labels}})
        return found

    async def configuration(self) -> str:
        """The configuration in force as YAML, secrets hidden. A large one takes a second, once."""
        settings = self.settings
        if self._shown is None or self._shown[0] is not settings:
            self._shown = settings, await asyncio.to_thread(_spelled, settings)
        return self._shown[1]


def _in_short(report: str) -> str:
    """Where the first mistake is. Not what it is: that may quote a password in a wrong place."""
    first, _, rest = report.partition("\n")
    what = f"{first} mistakes" if first.endswith(":") else first
    line = re.match(r" *line ([0-9]+):", rest)
    return f"{what}, the first in line {line[1]}" if line else what


def _spelled(settings: Config) -> str:
    document = settings.to_dict(encode_json=False)
    for hidden in ("settings", "warnings"):
        document.pop(hidden, None)
    dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    return str(yaml.dump(_plain(document), Dumper=dumper, sort_keys=False, allow_unicode=True))


def _plain(value: Any) -> Any:
    """Tuples and mappings as YAML knows them."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
