"""One timer for many questions, and the same outcome as with a timer each."""

import asyncio

import pytest

from exporter.winet.deadline import Deadline


async def forever() -> None:
    await asyncio.Event().wait()


async def test_block_that_takes_too_long_is_timed_out() -> None:
    """The wait ends with a TimeoutError, and the task is not left cancelled."""
    deadline = Deadline(0.01)
    with pytest.raises(TimeoutError), deadline:
        await forever()
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    await asyncio.sleep(0)


async def test_block_in_time_leaves_nothing_behind() -> None:
    """A block that was in time is not struck by the timer that was set for it."""
    loop = asyncio.get_running_loop()
    deadline = Deadline(0.01)
    with deadline:
        await asyncio.sleep(0)
    rung = loop.create_future()
    loop.call_at(loop.time() + 0.03, rung.set_result, None)
    await rung


async def test_later_block_has_its_whole_time() -> None:
    """The timer of an earlier block goes on as the later one's, and rings when that one is over its time."""
    loop = asyncio.get_running_loop()
    deadline = Deadline(0.05)
    with deadline:
        await asyncio.sleep(0.03)
    began = loop.time()
    with pytest.raises(TimeoutError), deadline:
        await forever()
    assert loop.time() - began >= 0.05


@pytest.mark.parametrize("late", [False, True])
async def test_cancelled_block_is_cancelled_when_it_is_late_too(late: bool) -> None:
    """A cancel from outside is never taken for the time limit."""
    deadline = Deadline(0.0 if late else 10.0)
    entered = asyncio.Event()

    async def block() -> None:
        with deadline:
            entered.set()
            try:
                await forever()
            finally:
                if late:
                    asyncio.current_task().cancel()  # type: ignore[union-attr]

    task = asyncio.create_task(block())
    await entered.wait()
    if not late:
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    deadline.close()


async def test_error_of_the_block_is_passed_on() -> None:
    """What went wrong in time is told as it is."""
    deadline = Deadline(10.0)
    with pytest.raises(ValueError, match="mine"), deadline:
        raise ValueError("mine")
    deadline.close()


async def test_second_block_within_the_first_is_a_defect() -> None:
    """Two blocks at once would share one limit."""
    deadline = Deadline(10.0)
    with deadline, pytest.raises(RuntimeError), deadline:
        pass
    deadline.close()


async def test_closed_deadline_holds_no_timer() -> None:
    """A closed connection is not kept in memory by its last question."""
    deadline = Deadline(10.0)
    with deadline:
        pass
    deadline.close()
    deadline.close()
    assert deadline._timer is None
