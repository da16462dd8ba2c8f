"""The text formats: what is before and after the samples, written by prometheus_client.

A line of a sample is the same in all of them. What differs is a family's head (OpenMetrics leaves the
ending out of a counter's name), and the end.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator
from enum import Enum

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client import exposition as text_format
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

from exporter import __version__
from exporter.metrics.family import Family

EOF = b"# EOF\n"


class Format(Enum):
    """The text formats, by their media type."""

    TEXT = "text/plain; version=0.0.4; charset=utf-8"
    TEXT_1 = "text/plain; version=1.0.0; charset=utf-8; escaping=underscores"
    OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


def generate(registry: Collector, form: Format) -> bytes:
    """Everything that a registry collects, as prometheus_client writes it."""
    if form is Format.OPENMETRICS:
        return bytes(openmetrics.generate_latest(registry))  # type: ignore[no-untyped-call]
    return text_format.generate_latest(registry)


def metric_of(family: Family) -> Metric:
    """A family without samples, as prometheus_client knows it."""
    name = family.name.removesuffix("_total") if family.kind == "counter" else family.name
    return Metric(name, family.help, family.kind)


def head(family: Family, form: Format) -> bytes:
    """HELP and TYPE of one family."""
    return generate(Collected([metric_of(family)]), form).removesuffix(EOF)


class Collected(Collector):
    """Metrics that were collected before."""

    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        yield from self._metrics


class _BuildInfo(Collector):
    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        metric = Metric("winet2_exporter_build_info", "Version of exporter and Python; always 1.", "gauge")
        labels = {"version": __version__, "pythonversion": platform.python_version()}
        metric.add_sample("winet2_exporter_build_info", labels, 1.0)
        yield metric


def own_registry() -> CollectorRegistry:
    """What the exporter says of itself: version, process, platform and garbage collector."""
    registry = CollectorRegistry()
    registry.register(_BuildInfo())
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry
