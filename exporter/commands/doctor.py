"""`doctor HOST`: every step towards a gateway's readings, and plain words for the first that fails."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
import textwrap

from exporter import config, logs
from exporter.commands import terminal
from exporter.commands.target_flags import find_target, warn_of_login
from exporter.logs import TargetLog
from exporter.telemetry import printable
from exporter.winet import checkup
from exporter.winet.checkup import Step
from exporter.winet.dial import make_http_client

WIDTH = 100


def run(arguments: argparse.Namespace) -> int:
    logs.configure(arguments.log_level, arguments.log_format)
    try:
        target, _ = find_target(arguments)
    except (ValueError, config.ConfigError) as error:
        print(f"winet-exporter doctor: {error}", file=sys.stderr)
        return 2
    warn_of_login(target, arguments.host)
    terminal.never_fail_to_print()
    steps = asyncio.run(examine(target, tell=not arguments.json))
    healthy = all(step.ok is not False for step in steps)
    if arguments.json:
        document = {"host": arguments.host, "ok": healthy, "steps": [step._asdict() for step in steps]}
        print(json.dumps(document, indent=2, ensure_ascii=False))
    return 0 if healthy else 1


async def examine(target: config.Target, *, tell: bool) -> list[Step]:
    """All steps that were taken; each is told as soon as it is known."""
    steps: list[Step] = []
    async with make_http_client() as http:
        async for step in checkup.examine(target, http, TargetLog(logging.getLogger(__name__), target.name)):
            steps.append(step._replace(detail=printable(step.detail)))
            if tell:
                print(as_text(steps[-1]), flush=True)
    return steps


def as_text(step: Step) -> str:
    lines = [f"{terminal.mark(step.ok)} {step.name:<10} {step.detail}"]
    if step.advice:
        lines += textwrap.wrap(step.advice, WIDTH, initial_indent="    → ", subsequent_indent="      ")
        if terminal.mark(True) not in terminal.MARKS.values():
            lines = [line.replace("→", "->") for line in lines]
    return "\n".join(lines)
