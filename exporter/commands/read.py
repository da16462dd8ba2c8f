"""`read HOST`: every device of one gateway once, as a table or JSON."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from exporter import config, logs
from exporter.commands import terminal
from exporter.commands.target_flags import find_target, warn_of_login
from exporter.metrics import catalogue
from exporter.metrics.catalogue import Catalogue
from exporter.metrics.suggestions import Unmapped, as_catalogue_file
from exporter.telemetry import DeviceReport, Reading, Snapshot, State, TargetStatus, printable
from exporter.winet import advice
from exporter.winet.errors import WinetError
from exporter.winet.labels import label_of
from exporter.winet.pool import Pool

FAILED = (State.BACKING_OFF, State.YIELDED, State.REFUSED, State.LOCKED)


def run(arguments: argparse.Namespace) -> int:
    logs.configure(arguments.log_level, arguments.log_format)
    try:
        target, catalogue_files = find_target(arguments)
        known = catalogue.load(catalogue_files)
    except (ValueError, config.ConfigError, catalogue.CatalogueError) as error:
        print(f"winet-exporter read: {error}", file=sys.stderr)
        return 2
    warn_of_login(target, arguments.host)
    snapshot, status, labels = asyncio.run(read_once(target, with_labels=arguments.unmapped))
    if snapshot is None:
        print(f"winet-exporter read: {status.error}", file=sys.stderr)
        if status.advice:
            print(f"  {status.advice}", file=sys.stderr)
        return 1
    terminal.never_fail_to_print()
    if arguments.unmapped:
        tell_unmapped([entry for report in snapshot.devices for entry in unmapped(report, known, labels)],
                      known, as_json=arguments.json)  # fmt: skip
    elif arguments.json:
        print(json.dumps(as_json(target, snapshot, known), indent=2, ensure_ascii=False))
    else:
        print("\n\n".join(as_table(report, known) for report in snapshot.devices))
    return 0


def tell_unmapped(found: list[Unmapped], known: Catalogue, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps([entry._asdict() for entry in found], indent=2, ensure_ascii=False))
    elif not found:
        print("# the catalogue has an entry for every key")
    else:
        print("# Keys without an entry in the catalogue. Judge name, unit and meaning of each (the name of a")
        print("# lifetime total ends in _total), then name the file of what you keep under catalogue_files.")
        print(as_catalogue_file(found, known))


def unmapped(report: DeviceReport, known: Catalogue, labels: Mapping[str, str]) -> Iterator[Unmapped]:
    """What a device said that has no entry, with the gateway's own word for it."""
    device = report.device
    for service, answer in report.answers.items():
        entries = [entry for entry in answer.readings if not known.knows(entry.key)]
        for inputs in answer.inputs:
            if not known.knows(inputs.name):
                entries.append(Reading(inputs.name, inputs.voltage, inputs.voltage_unit))
                entries.append(Reading(inputs.name, inputs.current, inputs.current_unit))
        for key, value, unit in entries:
            kind = known.kind_of(device.dev_type)
            label = printable(label_of(key, labels))
            yield Unmapped(
                device.identity, kind, service, printable(key), printable(value), printable(unit), label
            )


async def read_once(
    target: config.Target, *, with_labels: bool = False
) -> tuple[Snapshot | None, TargetStatus, Mapping[str, str]]:
    """Connect, refresh once, log out. The snapshot is None if that failed; the status says why.

    `with_labels` fetches the gateway's file of labels too; it is empty where there is none to be had.
    """
    settled = asyncio.Event()

    def changed(name: str) -> None:
        status = pool.status(name)
        if pool.snapshot(name) is not None or status.state in FAILED or status.had_first_cycle:
            settled.set()

    pool = Pool([target], on_change=changed)
    async with pool:
        await settled.wait()
        snapshot, status = pool.snapshot(target.name), pool.status(target.name)
        labels: Mapping[str, str] = {}
        if with_labels and snapshot is not None:
            try:
                labels = await pool.labels(target.name)
            except WinetError as error:
                print(f"The gateway's own labels are not to be had: {error}", file=sys.stderr)
        failure = pool.failure(target.name)
    if failure is not None:
        status = replace(status, advice=advice.for_reading(failure))
    elif snapshot is None:
        status = replace(status, error="the gateway answered, but with no reading")
    return snapshot, status, labels


def rows(report: DeviceReport, known: Catalogue) -> Iterator[tuple[str, str, str, str, str]]:
    """Service, key, value, unit and metric of everything a device said."""
    for service, answer in report.answers.items():
        for key, value, unit in answer.readings:
            source = known.sources.get(key)
            metric = "winet2_device_state" if key in known.state_keys else ""
            if source is not None:
                label = f'{{{source.family.labels[-1]}="{source.label_value}"}}' if source.label_value else ""
                metric = source.family.name + label
            yield service, printable(key), printable(value), printable(unit), metric
        for entry in answer.inputs:
            metrics = ("", "")
            for kind in known.direct:
                number = kind.number(entry.name)
                if number is not None:
                    label = f'{{{kind.voltage.labels[-1]}="{number}"}}'
                    metrics = (kind.voltage.name + label, kind.current.name + label)
                    break
            name = printable(entry.name)
            yield service, name, printable(entry.voltage), printable(entry.voltage_unit), metrics[0]
            yield service, name, printable(entry.current), printable(entry.current_unit), metrics[1]


def as_table(report: DeviceReport, known: Catalogue) -> str:
    device = report.device
    lines = [
        f"{device.name or device.model or 'device'}  {device.identity}  "
        f"{known.kind_of(device.dev_type)} (dev_type {device.dev_type}, dev_code {device.dev_code})"
    ]
    table = [row[1:] for row in rows(report, known)]
    if not table:
        return f"{lines[0]}\n  no readings"
    widths = [max(len(row[column]) for row in table) for column in range(3)]
    for key, value, unit, metric in table:
        lines.append(
            f"  {key:<{widths[0]}}  {value:>{widths[1]}} {unit:<{widths[2]}}  {metric or '-'}".rstrip()
        )
    return "\n".join(lines)


def as_json(target: config.Target, snapshot: Snapshot, known: Catalogue) -> dict[str, Any]:
    return {
        "target": target.name,
        "taken_at": snapshot.taken_wall,
        "devices": [
            {
                "device": report.device.identity,
                "name": report.device.name,
                "model": report.device.model,
                "kind": known.kind_of(report.device.dev_type),
                "dev_type": report.device.dev_type,
                "dev_code": report.device.dev_code,
                "online": report.device.online,
                "readings": [
                    {"service": service, "key": key, "value": value, "unit": unit, "metric": metric or None}
                    for service, key, value, unit, metric in rows(report, known)
                ],
            }
            for report in snapshot.devices
        ],
    }
