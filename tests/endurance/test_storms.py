"""All gateways vanish and return together: attempts follow the back-off, come in no waves, and end."""

import os

import pytest

from tests.endurance import storm

GATEWAYS = int(os.environ.get("WINET_STORM_GATEWAYS", "25"))


@pytest.mark.wire
@pytest.mark.timeout(3600)
def test_storm_when_it_is_over_then_everything_is_as_before() -> None:
    """Gone for an hour, ten flaps, an hour of silence; WINET_STORM_GATEWAYS=1000 is the whole fleet."""
    figures = storm.run(GATEWAYS)
    assert figures.findings == []
    # an hour of pauses of 150 s on average and the eight that grow: none gives up, none hurries
    assert 15 <= figures.least_attempts["gone"] <= figures.most_attempts["gone"] <= 60
    assert figures.attempts["gone"] / GATEWAYS >= 20
    assert figures.attempts["mute"] / GATEWAYS >= 10
    assert figures.most_under_way <= 50
