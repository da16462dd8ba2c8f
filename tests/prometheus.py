"""Prometheus' own tools, as judges of what the exporter says."""

import shutil
import subprocess

import pytest


def tool(name: str) -> str:
    """The path of one of Prometheus' programs; without it the test fails, and says what to do."""
    found = shutil.which(name)
    if found is None:
        pytest.fail(f"{name} is not on the PATH: install Prometheus, or leave out tests marked `real`")
    return found


def metric_findings(text: bytes) -> list[str]:
    """What `promtool check metrics` has to say about a body in the text format, as far as it is news."""
    result = subprocess.run(
        [tool("promtool"), "check", "metrics"], input=text, capture_output=True, check=False
    )
    findings = [line for line in (result.stdout + result.stderr).decode().splitlines() if line]
    # the one name whose word promtool takes for a metric type; it is there only after a total went back
    return [line for line in findings if not line.startswith("winet2_counter_resets_total ")]
