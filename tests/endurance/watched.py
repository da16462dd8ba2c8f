"""The exporter as `serve` runs it, in a process that tells on demand what it holds.

`python -m tests.endurance.watched FILE` serves a configuration on a free port and tells it as a line of
JSON; at each SIGUSR1 it tells its tasks, open files and objects as another.
"""

from __future__ import annotations

import asyncio
import faulthandler
import gc
import json
import signal
import sys
from collections import Counter
from pathlib import Path

from exporter import logs
from exporter.commands import process
from exporter.commands.serve import Options, load_config, serve
from exporter.metrics import catalogue
from exporter.web.server import Address
from exporter.winet import survey

SOON_SECONDS = 5.0


def census() -> dict[str, object]:
    """What is held now. A task is known by its name up to the colon."""
    gc.collect()
    tasks = Counter(task.get_name().partition(":")[0].rstrip("-0123456789") for task in asyncio.all_tasks())
    links = [link.readlink() for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    files = Counter(str(link).partition(":")[0] for link in links)
    kinds = Counter(type(thing).__name__ for thing in gc.get_objects())
    return {
        "tasks": dict(tasks),
        "files": dict(files),
        "objects": kinds.total() + gc.get_freeze_count(),  # of which those that are exempt are not listed
        "most": kinds.most_common(12),
    }


def ready(addresses: list[Address]) -> None:
    """Say where, and be ready to tell."""
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, lambda: print(json.dumps(census()), flush=True))  # noqa: T201
    print(json.dumps({"port": addresses[0].port}), flush=True)  # noqa: T201


def main() -> int:
    faulthandler.register(signal.SIGUSR2)
    file = sys.argv[1]
    logs.configure("error", "logfmt")
    settings = load_config(file)
    known = catalogue.load(settings.catalogue_files)
    # else what gateways tell beside their readings comes one by one in the course of an hour, and is memory
    # that grows by what is known
    survey.FIRST_SECONDS = survey.NEW_SECONDS = SOON_SECONDS
    process.raise_open_files()
    process.be_patient()
    with process.make_runner() as runner:
        return runner.run(
            serve(
                settings,
                known,
                [Address("127.0.0.1", 0)],
                load=lambda: load_config(file),
                options=Options(lifecycle=True),
                on_ready=ready,
            )
        )


if __name__ == "__main__":
    sys.exit(main())
