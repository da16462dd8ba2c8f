"""A minute of the soak: an exporter as it is run, gateways in trouble, scrapes and reloads."""

import pytest

from tests.endurance import soak


@pytest.mark.real
@pytest.mark.timeout(900)
def test_soak_when_a_minute_of_troubles_is_over_then_nothing_has_grown_and_all_counts_agree() -> None:
    """`make soak` is the same for twenty minutes and two hundred gateways."""
    figures = soak.run(seconds=60.0, gateways=40)
    assert figures.findings == []
    assert figures.troubles >= 20
    assert figures.reconnections >= 10
    assert figures.scrapes >= 20
    assert figures.reloads >= 2
    assert len(figures.lines()) == 15
