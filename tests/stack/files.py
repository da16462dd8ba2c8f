"""The files of the stack as they stand, and the programs that look at them."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

import exporter
from exporter.cli import COMMANDS, make_parser

ROOT = Path(exporter.__file__).parent.parent
EXAMPLES = ROOT / "examples"
USER = 65532  # of the image


def document(path: Path) -> dict[str, Any]:
    """A YAML file with one document."""
    return dict(yaml.safe_load(path.read_text("utf-8")))


def installed(name: str) -> str:
    """A program of the development environment, beside the running Python."""
    found = shutil.which(name, path=str(Path(sys.executable).parent))
    if found is None:
        pytest.fail(f"{name} is not in the environment: make .venv/.development")
    return found


def run(*words: str | Path) -> tuple[int, str]:
    """Exit code and all that was said."""
    result = subprocess.run(words, capture_output=True, text=True, check=False)
    return result.returncode, result.stdout + result.stderr


def exporter_takes(words: list[str]) -> Any:
    """What the command line makes of the words behind the image's entry point; it may refuse."""
    return make_parser().parse_args(words if words[0] in COMMANDS else ["serve", *words])
