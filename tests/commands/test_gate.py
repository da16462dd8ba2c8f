"""The limit on connections under way, and when free memory is given back."""

import asyncio
import ctypes

import pytest

from exporter.commands import gate
from exporter.commands.gate import MANY_TARGETS, Gate


@pytest.fixture
def given_back(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many bytes were kept, each time that free memory was given back."""
    calls: list[int] = []
    monkeypatch.setattr(gate, "is_uvloops", lambda: True)
    monkeypatch.setattr(gate, "trimmer", lambda: calls.append)
    return calls


async def test_gate_lets_in_no_more_than_its_limit() -> None:
    """As any semaphore does."""
    limit = Gate(1)
    async with limit:
        assert limit.locked()
    assert not limit.locked()


async def test_many_targets_on_uvloop_give_back_before_each_connection(given_back: list[int]) -> None:
    """Once for each that comes in, and what a reload tells changes nothing."""
    limit = Gate(2)
    for _ in range(2):
        limit.expect(MANY_TARGETS)
    async with limit:
        assert given_back == [0]
        async with limit:
            assert given_back == [0, 0]


async def test_few_targets_give_nothing_back(given_back: list[int]) -> None:
    """A home has no use for it."""
    limit = Gate(2)
    limit.expect(MANY_TARGETS - 1)
    async with limit:
        assert given_back == []


async def test_asyncios_loop_needs_nothing_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its buffers are small, and stay where they are."""
    monkeypatch.setattr(gate, "trimmer", pytest.fail)
    assert not gate.is_uvloops()
    Gate(2).expect(MANY_TARGETS)


def test_uvloops_loop_is_known() -> None:
    """By the name of its module."""
    uvloop = pytest.importorskip("uvloop")

    async def ask() -> bool:
        return gate.is_uvloops()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(ask())


def test_free_memory_is_given_back_where_the_c_library_can() -> None:
    """glibc can; it says whether there was any."""
    found = gate.trimmer()
    assert found is None or found(0) in (0, 1)


@pytest.mark.parametrize("missing", ["call", "library"])
def test_another_c_library_does_without(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """musl has no such call."""

    def load(name: None) -> object:
        if missing == "library":
            raise OSError("no such library")
        return object()

    monkeypatch.setattr(ctypes, "CDLL", load)
    assert gate.trimmer() is None
