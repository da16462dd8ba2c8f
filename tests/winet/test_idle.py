"""Waiting: cut short when it has to end, and an open line that is listened to meanwhile."""

import asyncio
import json
import logging

import pytest

from exporter.logs import TargetLog
from exporter.winet import errors
from exporter.winet.idle import Idle, Nap


class Line:
    """A connection that only notes what is done with it, and when."""

    def __init__(self, clock) -> None:
        self.clock = clock
        self.began = clock()
        self.done: list[tuple[float, str]] = []
        self.pong = True
        self.answers = True
        self.push: Exception | None = None

    def _note(self, what: str) -> None:
        self.done.append((round(self.clock() - self.began), what))

    async def ask(self, service: str, request: str) -> None:
        assert json.loads(request)["service"] == service
        self._note(service)
        if not self.answers:
            raise errors.NoAnswer("x")

    async def ping(self) -> bool:
        self._note("frame")
        return self.pong

    async def listen(self) -> None:
        if self.push is not None:
            raise self.push
        await asyncio.Event().wait()


@pytest.fixture
def clock(harness):
    """The jumping loop's: waiting costs no time."""
    return harness.loop.time


@pytest.fixture
def line(clock) -> Line:
    return Line(clock)


@pytest.fixture
def nap(clock) -> Nap:
    return Nap(clock)


@pytest.fixture
def idle(nap, clock) -> Idle:
    return Idle(nap, TargetLog(logging.getLogger("test"), "roof"), clock)


async def test_until_when_the_pause_is_short_then_the_line_is_only_listened_to(idle, line, clock):
    """Ten seconds need no sign of life."""
    for _ in range(5):
        when = clock() + 10.0
        await idle.until(line, when)
        assert when <= clock() < when + 1.0
    assert line.done == []


async def test_until_when_the_pause_is_long_then_line_and_session_are_kept_alive(idle, line, clock):
    """A ping every 20 s, and every 25 s what the gateway's own page would say."""
    await idle.until(line, clock() + 80.0)
    assert line.done == [
        (20, "frame"),
        (25, "ping"),
        (40, "frame"),
        (50, "ping"),
        (60, "frame"),
        (75, "ping"),
    ]


async def test_until_when_a_pong_stays_out_then_pings_end(idle, line, clock):
    """For good; the questions of the page go on."""
    line.pong = False
    await idle.until(line, clock() + 45.0)
    await idle.until(line, clock() + 45.0)
    assert line.done == [(20, "frame"), (25, "ping"), (70, "ping")]


async def test_until_when_the_page_question_stays_unanswered_then_it_is_not_asked_again(idle, line, clock):
    """It costs this line and no other; pings go on."""
    line.answers = False
    with pytest.raises(errors.NoAnswer):
        await idle.until(line, clock() + 45.0)
    await idle.until(line, clock() + 45.0)
    assert line.done == [(20, "frame"), (25, "ping"), (45, "frame"), (65, "frame")]


async def test_until_when_something_ends_the_line_then_it_is_raised_at_once(idle, line, clock):
    """A take-over is heard while nothing is asked."""
    line.push = errors.UserLimit("x")
    began = clock()
    with pytest.raises(errors.UserLimit):
        await idle.until(line, began + 45.0)
    assert clock() - began < 1.0


async def test_end_when_something_rests_then_it_is_over_at_once_and_for_good(nap, idle, line, clock):
    """The present rest, all later ones, and no sign of life in them."""
    began = clock()
    asyncio.get_running_loop().call_later(5.0, nap.end)
    await nap.rest(3600.0)
    assert 5.0 <= clock() - began < 6.0
    assert nap.ended
    await nap.rest(3600.0)
    await idle.until(line, clock() + 3600.0)
    assert clock() - began < 7.0
    assert line.done == []


@pytest.mark.parametrize("seconds", [0.0, -5.0])
async def test_rest_when_there_is_nothing_to_wait_for_then_it_is_over_at_once(nap, clock, seconds):
    """A time that has passed."""
    began = clock()
    await nap.rest(seconds)
    assert clock() - began < 1.0


async def test_rest_when_it_is_cancelled_then_it_is_not_taken_for_its_end(nap):
    """Who is cancelled stops, and does not go on as if rested."""
    task = asyncio.create_task(nap.rest(3600.0))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
