"""The plant that boards are drawn of: a day, a night and a day again, in the storage of a real Prometheus."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zoneinfo import ZoneInfo

from tests import simulated_day
from tests.grafana.asking import View

ROOT = Path(__file__).parents[3]
BOARDS = sorted((ROOT / "grafana" / "dashboards").glob("*.json"))
HOURS = 32  # from the morning of one day to the evening of the next


def recorded() -> set[str]:
    """What boards ask of the recording rules."""
    text = "".join(path.read_text("utf-8") for path in BOARDS)
    return {rule.record for rule in simulated_day.rules_in(simulated_day.RULES) if rule.record in text}


@contextmanager
def viewed() -> Iterator[View]:
    """A look at it in the evening, where the plant stands."""
    with (
        tempfile.TemporaryDirectory() as folder,
        simulated_day.lived(Path(folder), recorded(), hours=HOURS) as (day, running),
    ):
        yield View(running, day.end, ZoneInfo(simulated_day.ZONE), scrape_seconds=simulated_day.STEP)
