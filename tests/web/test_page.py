"""The landing page: how every target stands, with nothing of theirs taken for HTML."""

from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter import __version__
from exporter.telemetry import Counters, State, TargetInfo, TargetStatus
from exporter.web.page import CONTENT_SECURITY_POLICY, MOST_ROWS, landing_page

NOW = 100_000.0
HOSTILE = "<script>alert(1)</script>\"'&<img src=x onerror=y>"


def status(name: str = "roof", state: State = State.ONLINE, **more: object) -> TargetStatus:
    info = TargetInfo(name, str(more.pop("host", "192.0.2.10")), "wss", "bypass", {}, 50.0, 500)
    return TargetStatus(**{"info": info, "state": state, "since": NOW - 5.0, "counters": Counters(), **more})


class Reader(HTMLParser):
    """Reads a page as a browser would: tags, links, and the text of each row of the table."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.rows: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name == "href"]
        if tag == "tr":
            self.rows.append("")

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.rows:
            self.rows[-1] += f"{data} "


def read(*statuses: TargetStatus, path: str = "/metrics") -> Reader:
    return Reader(landing_page(statuses, path, NOW))


def row(one: TargetStatus) -> str:
    return " ".join(read(one).rows[1].split())


def test_landing_page_when_there_is_no_target_then_it_is_still_a_page():
    """Version and links are there before anything else."""
    page = read()
    assert page.links == ["/metrics", "/-/healthy", "/-/ready"]
    assert f"Version {__version__}" in page.text
    assert "0 of 0 targets online." in page.text
    assert len(page.rows) == 1


def test_landing_page_when_the_telemetry_path_is_another_then_the_link_follows():
    """The link leads where the metrics are."""
    assert read(path="/solar/metrics").links[0] == "/solar/metrics"


def test_landing_page_when_targets_stand_differently_then_the_troubled_ones_come_first():
    """What needs a person is at the top, the rest by name."""
    page = read(
        status("a"), status("d", State.LOCKED), status("c", State.BACKING_OFF), status("b"),
    )  # fmt: skip
    assert [text.split()[0] for text in page.rows[1:]] == ["c", "d", "a", "b"]
    assert "2 of 4 targets online." in page.text


def test_landing_page_when_a_target_is_online_then_its_row_says_since_when():
    """Name, host, transport, state, age and devices."""
    assert row(status(device_count=3)).startswith("roof 192.0.2.10 wss online for 5 s 3")


def test_landing_page_when_a_target_failed_then_error_advice_and_next_try_are_told():
    """In words, with what to do."""
    text = row(
        status(
            state=State.BACKING_OFF,
            error="no answer to real",
            advice="Check the gateway.",
            retry_at=NOW + 90.0,
        )
    )
    assert "backing off for 5 s next try in 90 s" in text
    assert text.index("no answer to real") < text.index("Check the gateway.")


@pytest.mark.parametrize("retry_at", [None, NOW, NOW - 1.0])
def test_landing_page_when_no_try_is_ahead_then_none_is_announced(retry_at):
    """A time that has passed is not told."""
    assert "next try" not in row(status(state=State.CONNECTING, retry_at=retry_at))


def test_landing_page_when_advice_has_no_error_then_it_is_not_shown():
    """Advice alone would be a riddle."""
    assert "Check" not in row(status(advice="Check the gateway."))


@pytest.mark.parametrize(
    "state, error, kind",
    [(State.ONLINE, "", "online"), (State.ONLINE, "x", "online"), (State.LOCKED, "x", "bad"),
     (State.STARTING, "", "")],
)  # fmt: skip
def test_landing_page_when_a_state_is_coloured_then_by_its_need(state, error, kind):
    """Green for online, red for trouble, nothing for the rest."""
    assert f'<span class="{kind}">' in landing_page([status(state=state, error=error)], "/metrics", NOW)


@pytest.mark.parametrize(
    "seconds, words",
    [(0, "0 s"), (-3, "0 s"), (59.4, "59 s"), (119, "119 s"), (120, "2 min"), (3599, "60 min"),
     (7199, "120 min"), (7200, "2 h"), (172_799, "48 h"), (172_800, "2 d"), (1e7, "116 d")],
)  # fmt: skip
def test_landing_page_when_a_time_is_told_then_as_a_person_would(seconds, words):
    """The unit follows the length."""
    assert f"for {words}" in row(status(since=NOW - seconds))


@pytest.mark.parametrize("count, more", [(MOST_ROWS, None), (MOST_ROWS + 1, 1), (1000, 1000 - MOST_ROWS)])
def test_landing_page_when_there_are_very_many_targets_then_the_rest_is_counted(count, more):
    """A thousand targets make no endless page."""
    page = read(*(status(f"t{n}") for n in range(count)))
    assert len(page.rows) == min(count, MOST_ROWS) + 1
    assert (f"… and {more} more, see the metrics." in page.text) == (more is not None)
    assert f"{count} of {count} targets online." in page.text


def test_landing_page_when_texts_are_hostile_then_they_are_only_text():
    """Nothing that a gateway or a configuration says becomes a tag or an attribute."""
    plain = read(status(error="x", advice="x"))
    page = read(status(HOSTILE, error=HOSTILE, advice=HOSTILE, host=HOSTILE), path='/m" onclick="x')
    assert page.tags == plain.tags
    assert page.text.count(HOSTILE) == 4
    assert page.links[0] == '/m" onclick="x'


@settings(max_examples=80, deadline=None, derandomize=True, database=None)
@given(st.text(max_size=30), st.text(max_size=30), st.floats(-1e9, 1e9), st.sampled_from(State))
def test_landing_page_when_texts_are_arbitrary_then_the_tags_stay_the_same(name, error, since, state):
    """Any text and any time make the same page around them."""
    page = read(status(name, state, error=error, since=since, retry_at=since))
    around = read(status("a", state, error="b", since=since, retry_at=since))
    assert page.tags == around.tags


def test_policy_when_it_is_sent_then_nothing_but_styles_may_run():
    """Even a hole in the escaping would run no script."""
    assert CONTENT_SECURITY_POLICY.startswith("default-src 'none'")
    assert "script" not in CONTENT_SECURITY_POLICY
    assert "<script" not in landing_page([], "/metrics", NOW)
