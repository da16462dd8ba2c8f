"""The words of a soak's failure: who is missing, in which state, since when, why, and until when."""

from typing import Any

from tests.endurance import missing

PAGE = """
winet2_errors_total{target="gateway 1",reason="no_answer"} 3.0
winet2_errors_total{target="gateway 1",reason="garbled"} 0.0
winet2_errors_total{reason="connection_lost",target="gateway 2"} 1
"""


def status(name: str, **changed: Any) -> dict[str, Any]:
    """A target as `/api/v1/status` lists it; by default all is well with it."""
    return {
        "name": name,
        "transport": "ws",
        "state": "online",
        "up": True,
        "state_age_seconds": 60.0,
        "retry_in_seconds": None,
        "failing_for_seconds": None,
        "last_refresh_age_seconds": 2.0,
        "refresh_duration_seconds": 0.25,
        "error": None,
    } | changed


def test_tell_names_state_pause_error_and_counts_of_whoever_is_not_back() -> None:
    """Each has a line, and those of one kind are counted together."""
    lost = {"state": "backing_off", "up": False, "state_age_seconds": 20.0, "retry_in_seconds": 100.0}
    statuses = [
        status("gateway 0"),
        status("gateway 1", **lost, failing_for_seconds=300.0, error="no answer to real within 5 s"),
        status("gateway 2", **lost, last_refresh_age_seconds=None, error="no answer to real within 30 s"),
        status("gateway 3", up=False, last_refresh_age_seconds=80.0, refresh_duration_seconds=None),
    ]
    assert missing.tell(statuses, PAGE, {"gateway 1": 0, "gateway 3": 1}) == [
        "2 of them backing_off, no answer to real within N s",
        "1 of them online, without an error",
        "gateway 1 (ws) backing_off for 20.0 s, its next attempt in 100.0 s of a pause of 120 s, failing for"
        " 300.0 s, last reading 2.0 s ago, a cycle took 0.2 s, no answer to real within 5 s;"
        " its errors {'no_answer': 3}; open there 0",
        "gateway 2 (ws) backing_off for 20.0 s, its next attempt in 100.0 s of a pause of 120 s, no reading,"
        " a cycle took 0.2 s, no answer to real within 30 s;"
        " its errors {'connection_lost': 1}; open there None",
        "gateway 3 (ws) online for 60.0 s, last reading 80.0 s ago, no error; its errors {}; open there 1",
    ]


def test_tell_when_many_are_missing_then_only_some_have_lines_and_all_are_counted() -> None:
    """A message of two hundred lines would be read by nobody."""
    statuses = [status(f"gateway {n}", state="connecting") for n in range(200)]
    lines = missing.tell(statuses, "", {})
    assert lines[0] == "200 of them connecting, without an error"
    assert len(lines) == 1 + missing.MOST_TOLD


def test_longest_wait_is_that_of_the_longest_pause() -> None:
    """A yield that doubled may be longer than any back-off."""
    assert missing.longest_wait([status("a"), status("b", retry_in_seconds=480.0)]) == 480.0
    assert missing.longest_wait([]) == 0.0
