"""A minute of the soak: an exporter as it is run, gateways in trouble, scrapes and reloads."""

import os
from pathlib import Path

import pytest

from tests.endurance import soak
from tests.endurance.burden import Burden
from tests.endurance.children import child

pytestmark = pytest.mark.real


@pytest.mark.timeout(900)
def test_soak_when_a_minute_of_troubles_is_over_then_nothing_has_grown_and_all_counts_agree() -> None:
    """`make soak` is the same for twenty minutes and two hundred gateways."""
    figures = soak.run(seconds=60.0, gateways=40, night=False)
    assert figures.findings == []
    assert figures.troubles >= 20
    assert figures.reconnections >= 10
    assert len(figures.scrapes) >= 20
    assert figures.reloads >= 2
    assert list(figures.waits) == ["the start", "a pause", "the last trouble"]
    assert sum(figures.ended_in.values()) == 40
    assert len(figures.lines()) == 18


def test_soak_when_targets_are_not_back_in_time_then_it_tells_which_and_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A figure alone, "only 102 of 200", has left everybody guessing once."""
    monkeypatch.setattr(soak, "BACK_SECONDS", -1.0)  # so it is too late at the first look
    monkeypatch.setattr(soak, "CYCLE_SECONDS", -1.0)
    run = soak.Soak(30, 1, tmp_path)
    with child("tests.endurance.fleet", "--gateways", "30") as run._fleet:
        run._write()
        with child("tests.endurance.watched", str(run._file)) as run._exporter:
            run._until_all_are_up("the start")
    (finding,) = run.figures.findings
    first, *lines = finding.splitlines()
    assert "s after the start only " in first
    assert "exporter ran " in first
    assert "fleet ran " in first
    assert sum(int(line.split()[0]) for line in lines if " of them " in line) > 0
    assert any(line.strip().startswith("gateway ") and "open there" in line for line in lines)


def test_burden_tells_what_a_process_used_and_what_was_kept_from_it() -> None:
    """Only that distinguishes an exporter that is slow from one that is not let run."""
    burden = Burden(me=os.getpid())
    while burden.busy("me") == 0.0:
        sum(range(10_000))
    assert burden.held_up("me") >= 0.0
    assert 0.0 <= burden.idle() <= 1.0
    assert "me ran " in burden.words()
