"""What makes ready the tests of `make test-packages`: the one entry, and the set-ups that it calls."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.stack.files import ROOT, run

FOLDER = ROOT / "tests" / "packages"
SCRIPTS = sorted(FOLDER.glob("*.sh"))

pytestmark = pytest.mark.real


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The entry with set-ups of its own, and a Python that only tells how it was called."""
    folder = tmp_path / "tests" / "packages"
    folder.mkdir(parents=True)
    shutil.copy(FOLDER / "run.sh", folder)
    (folder / "debian.sh").write_text("echo sourced, never called >&2; exit 1\n")
    for name, body in {
        "one": 'echo "progress" >&2\necho "ONE=a b  c --d"\n',
        "two": "echo TWO=2\necho THREE=3\n",
    }.items():
        (folder / f"{name}.sh").write_text(f"#!/bin/sh\n{body}")
        (folder / f"{name}.sh").chmod(0o755)
    (tmp_path / "python").write_text('#!/bin/sh\necho "$ONE|$TWO|$THREE|$*"\n')
    (tmp_path / "python").chmod(0o755)
    return tmp_path


def call(checkout: Path, *words: str, **environment: str) -> tuple[int, str]:
    result = subprocess.run(
        [checkout / "tests" / "packages" / "run.sh", *words],
        env={"PATH": os.environ["PATH"], "PYTHON": str(checkout / "python"), **environment},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return result.returncode, result.stdout


def test_run_when_set_ups_print_variables_then_the_tests_have_them(checkout):
    """As they were printed, blanks included; arguments go to pytest."""
    assert call(checkout, "-k", "image") == (0, "a b  c --d|2|3|-m pytest -m packages -k image\n")


def test_run_when_set_ups_are_named_then_only_these_are_made(checkout):
    """What another run left behind is not taken for theirs."""
    assert call(checkout)[0] == 0
    assert call(checkout, SETUPS="two") == (0, "|2|3|-m pytest -m packages\n")


def test_run_when_a_set_up_fails_then_so_does_everything(checkout):
    """Tests that were left out for want of what they need would look like tests that passed."""
    (checkout / "tests" / "packages" / "two.sh").write_text("#!/bin/sh\nexit 3\n")
    assert call(checkout) == (3, "")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_script_when_the_shell_reads_it_then_it_understands_it(script):
    """Any POSIX shell, and it can be called unless it is only sourced."""
    assert run("sh", "-n", script) == (0, "")
    assert os.access(script, os.X_OK) == (script.name != "debian.sh")
