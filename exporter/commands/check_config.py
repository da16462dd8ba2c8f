"""`check-config FILE`: every mistake at once, or what the file would do."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from exporter import config
from exporter.metrics import catalogue


def run(arguments: argparse.Namespace) -> int:
    try:
        settings = config.load(Path(arguments.file))
        catalogue.load([Path(file) for file in settings.catalogue_files])
    except (config.ConfigError, catalogue.CatalogueError) as error:
        print(error, file=sys.stderr)
        return 1
    for warning in settings.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    count = len(settings.targets)
    print(f"{arguments.file}: good, {count} target{'s' if count != 1 else ''}")
    return 0
