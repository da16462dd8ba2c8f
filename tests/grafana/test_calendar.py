"""Days and months of the board Energy over weeks in which clocks change and a counter begins anew."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tests.grafana.boards import Target, Viewer, boards
from tests.prometheus import Server, make_blocks, server

pytestmark = pytest.mark.real

BERLIN = ZoneInfo("Europe/Berlin")
SINCE = datetime(2026, 2, 20, tzinfo=BERLIN)  # summer time is from 29 March to 25 October
UNTIL = datetime(2026, 11, 20, 12, tzinfo=BERLIN)
QUARTER = timedelta(minutes=15)
REPLACED = datetime(2026, 11, 5, 3, tzinfo=BERLIN)  # from here on the total counts from nought
CORRECTED = datetime(2026, 9, 15, 3, tzinfo=BERLIN)  # the battery's totals go back by 0.2 kWh
DARK = (
    datetime(2026, 11, 10, 9, tzinfo=BERLIN),
    datetime(2026, 11, 11, 9, tzinfo=BERLIN),
)  # no Prometheus ran
PV_DAY = 10.0  # kWh between ten and four by local time, evenly
BOUGHT_HOUR = 1.0
JOULES = 3.6e6

ENERGY = next(board for board in boards() if board.uid == "winet-energy")


def pv(local: datetime) -> float:
    """The total at a moment, as the inverter counts it."""
    began = REPLACED if local >= REPLACED else SINCE - timedelta(days=100)
    days = (local.date() - began.date()).days
    return PV_DAY * (days + min(max((local.hour + local.minute / 60 - 10) / 6, 0.0), 1.0))


def bought(moment: datetime) -> float:
    return 5000 + BOUGHT_HOUR * (moment - SINCE).total_seconds() / 3600


def charged(moment: datetime) -> float:
    """1 kWh an hour, corrected by 0.2 kWh one night."""
    return bought(moment) - (0.2 if moment >= CORRECTED else 0)


def discharged(moment: datetime) -> float:
    """Half of that; but nothing for some hours around the correction, and it is corrected too."""
    hours = (moment - SINCE).total_seconds() / 3600
    around = (CORRECTED - SINCE).total_seconds() / 3600
    still = min(max(hours - (around - 24), 0), 48)
    return 5000 + 0.5 * (hours - still) - (0.2 if moment >= CORRECTED else 0)


# Of the discharge only the battery device tells. Both count what is charged.
TOTALS: dict[tuple[str, str], Callable[[datetime], float]] = {
    ("A2200000001", "pv"): pv,
    ("A2200000001", "grid_import"): bought,
    ("A2200000001", "battery_charge"): charged,
    ("B2200000001", "battery_charge_bms"): lambda moment: 3 * bought(moment),
    ("B2200000001", "battery_discharge_bms"): discharged,
}


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("calendar")
    lines = ["# TYPE device:winet2_energy_joules:last15m gauge"]
    for (device, flow), total in TOTALS.items():
        labels = f'job="winet",target="roof",device="{device}",flow="{flow}"'
        moment = SINCE.astimezone(UTC)
        while moment <= UNTIL:
            if not DARK[0] <= moment < DARK[1]:
                kwh = total(moment.astimezone(BERLIN))
                series = f"device:winet2_energy_joules:last15m{{{labels}}}"
                lines.append(f"{series} {kwh * JOULES!r} {int(moment.timestamp())}")
            moment += QUARTER
    (folder / "samples.om").write_text("\n".join([*lines, "# EOF", ""]), "utf-8")
    make_blocks(folder / "samples.om", folder / "data", longest="2160h")
    with server(folder / "data", folder) as running:
        yield running


def bars(
    prometheus: Server, title: str, number: int, now: datetime = UNTIL, days: int = 70
) -> dict[datetime, float]:
    """The bars of a panel by the viewer's clock."""
    (panel,) = [panel for panel in ENERGY.panels if panel.title == title]
    target: Target = panel.targets[number]
    someone = Viewer(prometheus, int(now.timestamp()), days * 86400, BERLIN)
    ((_, values),) = someone.ask(target)
    return {datetime.fromtimestamp(at, BERLIN): value for at, value in values.items()}


def test_days_when_clocks_change_then_every_bar_is_a_whole_day(prometheus: Server) -> None:
    """At midnight since the change, an hour later before it; each with the PV of its own date."""
    shown = bars(prometheus, "Days", 0)
    usual = {at: value for at, value in shown.items() if at.date() < REPLACED.date()}
    assert len(usual) == 55
    assert {at.hour for at in usual} == {0, 1}
    assert list(usual.values()) == [pytest.approx(PV_DAY)] * len(usual)


def test_days_when_today_is_not_over_then_it_has_a_bar(prometheus: Server) -> None:
    """Up to noon there is a third of the day's PV."""
    at, value = list(bars(prometheus, "Days", 0).items())[-1]
    assert at == UNTIL.replace(hour=0)
    assert value == pytest.approx(PV_DAY / 3)


def test_days_when_a_counter_begins_anew_then_the_day_is_its_growth(prometheus: Server) -> None:
    """Neither a lifetime nor something negative."""
    shown = bars(prometheus, "Days", 0)
    assert shown[REPLACED.replace(hour=0)] == pytest.approx(PV_DAY, rel=0.02)
    assert shown[REPLACED.replace(hour=0) + timedelta(days=1)] == pytest.approx(PV_DAY)


def test_days_when_nobody_looked_for_a_day_then_nothing_is_lost(prometheus: Server) -> None:
    """What was made meanwhile counts when it is known: with the day on which Prometheus was back."""
    shown = bars(prometheus, "Days", 0)
    dark = DARK[0].replace(hour=0)
    assert shown[dark] == pytest.approx(0)
    assert shown[dark + timedelta(days=1)] == pytest.approx(2 * PV_DAY)
    assert sum(shown[dark + timedelta(days=n)] for n in range(-1, 3)) == pytest.approx(4 * PV_DAY)


def by_month(quarters: dict[datetime, float]) -> dict[int, float]:
    """As Grafana adds them up: by the date that a point has for the viewer."""
    months: dict[int, float] = defaultdict(float)
    for at, value in quarters.items():
        months[at.month] += value
    return months


@pytest.mark.parametrize(
    "now, month, days, hours",
    [
        (UNTIL, 10, 31, 31 * 24 + 1),
        (UNTIL, 3, 31, 31 * 24 - 1),
        (datetime(2026, 7, 10, 12, tzinfo=BERLIN), 3, 31, 31 * 24 - 1),
        (datetime(2026, 7, 10, 12, tzinfo=BERLIN), 6, 30, 30 * 24),
    ],
)
def test_months_when_clocks_change_then_no_day_counts_to_the_wrong_one(
    prometheus: Server, now: datetime, month: int, days: int, hours: int
) -> None:
    """PV to the last digit, and of what is drawn at night at most the quarter of a day that lies across."""
    assert by_month(bars(prometheus, "This year by month", 0, now))[month] == pytest.approx(days * PV_DAY)
    drawn = by_month(bars(prometheus, "This year by month", 1, now))[month]
    assert drawn == pytest.approx(hours * BOUGHT_HOUR, abs=6.1)


def stat(prometheus: Server, title: str, days: int, now: datetime = UNTIL) -> float:
    """The one number of a panel, for a time range up to `now`."""
    (panel,) = [panel for panel in ENERGY.panels if panel.title == title]
    ((_, values),) = Viewer(prometheus, int(now.timestamp()), days * 86400, BERLIN).ask(panel.targets[0])
    (value,) = values.values()
    return value


def test_range_when_a_counter_began_anew_in_it_then_what_came_before_counts(prometheus: Server) -> None:
    """50 days from noon to noon, across the day of the new board."""
    assert stat(prometheus, "PV", 50) == pytest.approx(50 * PV_DAY, rel=0.02)


def test_days_when_a_total_goes_back_by_a_little_then_no_lifetime_is_added(prometheus: Server) -> None:
    """A correction of 0.2 kWh is no new counter: nothing on the still day, 0.2 kWh less on the other."""
    now = CORRECTED.replace(hour=12) + timedelta(days=10)
    day = CORRECTED.replace(hour=0)
    assert bars(prometheus, "Days", 2, now, 30)[day] == pytest.approx(0)
    assert bars(prometheus, "Days", 4, now, 30)[day] == pytest.approx(-23.8)
    assert by_month(bars(prometheus, "This year by month", 2, now))[9] < 30 * 12


def test_battery_when_the_hybrid_does_not_tell_then_the_battery_device_counts(prometheus: Server) -> None:
    """For the discharge it does; for the charge, which the hybrid tells, it does not."""
    day = UNTIL.replace(hour=0) - timedelta(days=2)
    assert bars(prometheus, "Days", 2)[day] == pytest.approx(12)
    assert bars(prometheus, "Days", 4)[day] == pytest.approx(-24)
