"""`check-config [FILE]`: every mistake at once, or what the file would do. The web configuration likewise."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from exporter import config
from exporter.metrics import catalogue
from exporter.targets import TargetFiles
from exporter.web import web_config


def run(arguments: argparse.Namespace) -> int:
    if not arguments.file and not arguments.web_config_file:
        print("winet-exporter check-config: give a FILE, --web.config.file=FILE, or both", file=sys.stderr)
        return 2
    good = True
    for file, check in ((arguments.file, _targets), (arguments.web_config_file, _web)):
        if not file:
            continue
        try:
            told, warnings = check(Path(file))
        except (config.ConfigError, catalogue.CatalogueError, ValueError) as error:
            print(error, file=sys.stderr)
            good = False
            continue
        for warning in warnings:
            print(f"warning: {warning}", file=sys.stderr)
        print(f"{file}: good, {told}")
    return 0 if good else 1


def _targets(path: Path) -> tuple[str, tuple[str, ...]]:
    settings = config.load(path)
    catalogue.load(settings.catalogue_files)
    problems: list[str] = []
    found = TargetFiles(problems.append).read(settings)
    if problems:
        raise ValueError("\n".join(problems))
    count = len(settings.targets) + len(found)
    return f"{count} target{'s' if count != 1 else ''}", settings.warnings


def _web(path: Path) -> tuple[str, tuple[str, ...]]:
    settings = web_config.load(path)
    count = len(settings.users)
    return f"{'' if settings.tls else 'no '}TLS, {count} user{'s' if count != 1 else ''}", settings.warnings
