"""States are drawn as numbers: each has one, a name and a colour."""

from exporter.metrics import catalogue
from exporter.telemetry import State
from grafana.states import DEVICE_STATES, OF_DEVICES, OF_TARGETS, TARGET_STATES


def test_target_states_when_the_exporter_knows_one_then_it_has_a_number() -> None:
    """All states of a session, and no two with the same number or name."""
    assert set(TARGET_STATES) == set(State)
    assert len(OF_TARGETS) == len({text for text, _ in OF_TARGETS.values()}) == len(TARGET_STATES)


def test_device_states_when_the_catalogue_knows_one_then_it_is_in_one_group() -> None:
    """Otherwise it would be drawn as “other”; and in two groups its numbers would be added."""
    known = {state for states in catalogue.bundled().states.values() for state in states}
    grouped = [state for _, _, states in DEVICE_STATES.values() for state in states]
    assert sorted(grouped) == sorted(set(grouped))
    assert known <= set(grouped)
    assert len({text for text, _ in OF_DEVICES.values()}) == len(OF_DEVICES)
