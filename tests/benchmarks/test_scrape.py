"""The benchmark of scrapes does what it says. No test here looks at a time."""

import pytest

from benchmarks import scrape
from benchmarks.fleet import Fleet
from benchmarks.measure import Incorrect, Options
from exporter.metrics.exposition import Format

ROWS = {
    "scrape of a home": 2.0,
    "scrape of a fleet": 2.0,
    "scrape and prometheus_client": 0.02,
    "scrape of hybrids": 2.0,
    "fleet packed": 1.2,
    "fleet packed with speed": 2.0,
    "hybrids packed": 1.2,
    "hybrids packed with speed": 2.0,
    "longest turn of a scrape": 20.0,
    "update of a hybrid": None,
    "memory of lines a hybrid": None,
}


@pytest.mark.real
def test_smallest_run_when_it_ends_then_every_row_is_there_with_its_limit() -> None:
    """Both servers answer, ready lines are those of prometheus_client, and nothing is left out."""
    report = scrape.run(Options(smallest=True))
    assert {row.name: row.limit for row in report.rows} == ROWS
    assert all(row.ours > 0 for row in report.rows)


def test_run_when_lines_are_not_those_of_prometheus_client_then_there_are_no_figures(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who writes something else is not fast but wrong."""
    both = scrape.Both(Fleet(2), None, 0, 0, b"")  # type: ignore[arg-type]
    both.fleet.refresh()
    scrape._check(both)
    monkeypatch.setattr("exporter.metrics.lines.number_text", str)
    both.fleet.refresh()
    with pytest.raises(Incorrect, match="prometheus_client"):
        scrape._check(both)


@pytest.mark.parametrize("whole, series", [(True, 180), (False, 70)])
def test_fleet_when_it_is_refreshed_then_each_target_has_all_its_series_and_new_values(
    whole: bool, series: int
) -> None:
    """What is measured is what a fleet in good order has: no total is held off, and values move."""
    fleet = Fleet(3, whole=whole)
    bodies = []
    for _ in range(5):
        fleet.refresh()
        bodies.append(fleet.exposition.render(Format.TEXT))
    lines = [[line for line in body.split(b"\n") if line[:7] == b"winet2_"] for body in bodies[3:]]
    assert len(lines[0]) == len(lines[1]) > 3 * series
    assert len(set(lines[1]) - set(lines[0])) > (60 if whole else 10)
    assert b'reason="implausible",target="roof00000"} 0.0' in bodies[-1]
