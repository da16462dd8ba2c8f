"""Writes the tables of metrics.md: `python docs/make_metrics.py`. The prose around them is by hand."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from exporter.metrics import catalogue, families
from exporter.metrics.catalogue import Catalogue
from exporter.metrics.catalogue_file import Entry
from exporter.metrics.family import DEVICE_LABELS, PREFIX, Family
from exporter.telemetry import Reason

PAGE = Path(__file__).parent / "metrics.md"
BUILD_INFO = Family(
    f"{PREFIX}exporter_build_info",
    "gauge",
    "Version of exporter and Python; always 1.",
    ("version", "pythonversion"),
)
RATIOS = {"percent": "ratio, 0 to 1", "factor": "ratio, -1 to 1"}
DIRECT_KINDS = ("inverter", "hybrid")  # the kinds that are asked for their direct inputs
MEASUREMENTS = {
    "Photovoltaics": ("pv_", "array_", "mppt_", "string_"),
    "AC side": ("ac_",),
    "Grid and house": ("grid_", "load_", "self_"),
    "Battery": ("battery_",),
    "Backup output": ("backup_",),
    "Energy meter": ("meter_",),
    "Charger": ("charger_",),
}
OTHERS = "Inside the device, and others"


def main() -> None:
    PAGE.write_text(render(PAGE.read_text("utf-8")), "utf-8")


def render(page: str) -> str:
    """The page with its tables made anew from the catalogue, the families and the reasons."""
    for name, made in (("families", family_tables(catalogue.bundled())), ("reasons", reason_table())):
        begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
        head, _, rest = page.partition(begin)
        _, _, tail = rest.partition(end)
        page = f"{head}{begin}\n\n{made}\n\n{end}{tail}"
    return page


def family_tables(known: Catalogue) -> str:
    parts = []
    for heading, group in _fixed_groups().items():
        rows = ((f"`{f.name}`", f.kind, _code(f.labels), _cell(f.help)) for f in group)
        parts.append(f"### {heading}\n\n" + _table(("metric", "type", "labels", "what it tells"), rows))
    groups: dict[str, list[tuple[str, ...]]] = {heading: [] for heading in (*MEASUREMENTS, OTHERS)}
    for name, row in _measurements(known):
        heading = next(
            (h for h, starts in MEASUREMENTS.items() if name.removeprefix(PREFIX).startswith(starts)), OTHERS
        )
        groups[heading].append(row)
    head = ("metric", "what it tells", "type, unit", "own label", "the gateway's keys", "devices", "since")
    parts += [f"### {heading}\n\n" + _table(head, rows) for heading, rows in groups.items() if rows]
    return "\n\n".join(parts)


def reason_table() -> str:
    """Every reason with the comment that stands beside it in the source."""
    comments: Mapping[str, str] = dict(
        re.findall(r'^    \w+ = "(\w+)"  # (.+)$', inspect.getsource(Reason), re.MULTILINE)
    )
    return _table(("reason", "when"), ((f"`{reason}`", _cell(comments[reason])) for reason in Reason))


def _fixed_groups() -> dict[str, list[Family]]:
    groups: dict[str, list[Family]] = {
        "Exporter": [],
        "Connection and work": [],
        "Targets": [],
        "Gateways and plants": [],
        "Devices": [],
    }
    for family in (BUILD_INFO, *families.all_families()):
        if "target" not in family.labels:
            heading = "Exporter"
        elif family.name.startswith((f"{PREFIX}gateway_", f"{PREFIX}plant_")):
            heading = "Gateways and plants"
        elif "device" in family.labels:
            heading = "Devices"
        else:
            heading = "Connection and work" if family.kind == "counter" else "Targets"
        groups[heading].append(family)
    return {heading: group for heading, group in groups.items() if group}


def _measurements(known: Catalogue) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The name and the row of each family that readings feed."""
    of_direct = {family.name: kind for kind in known.direct for family in kind.families}
    for family in known.families:
        if family.name in known.entries:
            entry = known.entries[family.name]
            meaning, unit = entry.help, RATIOS.get(entry.unit, entry.unit.replace("_", " "))
            keys, kinds, since = _keys(entry), entry.kinds, entry.since
        else:
            kind = of_direct[family.name]
            meaning, unit = family.help.partition(" From ")[0], family.name.rpartition("_")[2]
            keys, kinds, since = f"`{kind.pattern.pattern}` of `direct`", DIRECT_KINDS, kind.since
        own = _code(family.labels[len(DEVICE_LABELS) :])
        cells = (f"`{family.name}`", _cell(meaning), f"{family.kind}, {unit}", own, keys)
        yield family.name, (*cells, ", ".join(kinds), since)


def _keys(entry: Entry) -> str:
    groups = ((f"{value}: " if value else "", _code(group)) for value, group in entry.keys.items())
    return "<br>".join(before + keys for before, keys in groups)


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    main()
