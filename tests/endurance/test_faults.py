"""Every fault at every step: what must hold does, and docs/faults.md tells what comes of it."""

import importlib.util
from pathlib import Path

import pytest

import exporter
from exporter.simulator import KINDS
from tests.endurance import matrix

ROOT = Path(exporter.__file__).parent.parent

_spec = importlib.util.spec_from_file_location("make_faults", ROOT / "docs" / "make_faults.py")
assert _spec is not None
assert _spec.loader is not None
make_faults = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(make_faults)

PAGE = make_faults.PAGE.read_text("utf-8")

pytestmark = pytest.mark.wire


@pytest.mark.parametrize("kind", make_faults.tried())
def test_fault_when_it_strikes_at_every_step_then_all_comes_back_as_the_page_says(kind: str) -> None:
    """Nothing is restarted, the neighbour notices nothing, counts agree; `make faults` writes the page."""
    assert make_faults.section(kind, matrix.rows_of(kind)) == make_faults.sections_of(PAGE)[kind]


def test_page_when_faults_are_looked_up_then_each_is_there() -> None:
    """But for the one that only changes what is read; none is left of the simulator's earlier ones."""
    assert list(make_faults.sections_of(PAGE)) == make_faults.tried()
    assert set(KINDS) - set(make_faults.tried()) == {"device-fault"}


def test_scenarios_when_steps_are_looked_up_then_every_step_is_tried_over_both_transports() -> None:
    """From the first packet to the good-bye."""
    tried = {(s.step.name, s.transport) for kind in make_faults.tried() for s in matrix.scenarios(kind)}
    steps = {step.name for step in (matrix.LINE, matrix.CONNECT, *matrix.ANSWERED)}
    assert tried == {(step, transport) for step in steps for transport in ("ws", "wss")}


def test_rows_when_a_scenario_is_lived_again_then_they_are_the_same() -> None:
    """Durations are exact, for the clock is made of jumps."""
    assert matrix.rows_of("mute") == matrix.rows_of("mute")
