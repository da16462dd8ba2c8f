"""What all tests share: the loop with a jumping clock, and a harness of gateways and exporter."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import pytest

from exporter.simulator import prepare_certificates
from tests.eavesdropper import EAR
from tests.harness import Harness
from tests.jumping_loop import JumpingLoop

LONG_FILES = {"test_two_days.py": 0, "test_day.py": 1}
WIRE_FILES = ("test_capture.py", "test_discover.py", "test_doctor.py", "test_security.py")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take minutes come first, so that the other cores have something to do meanwhile.

    What lives with a simulated gateway over real sockets is marked so.
    """
    for item in items:
        if "harness" in getattr(item, "fixturenames", ()) or item.path.name in WIRE_FILES:
            item.add_marker(pytest.mark.wire)
    items.sort(key=lambda item: LONG_FILES.get(item.path.name, len(LONG_FILES)))


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Mapping[str, Any]:
    """Tests that use the harness live on the jumping clock, all others on a real one."""
    if "harness" in getattr(item, "fixturenames", ()):
        return {"jumping": JumpingLoop}
    return {"real": asyncio.new_event_loop}


@pytest.fixture(scope="session", autouse=True)
def _certificates() -> None:
    """Keys are made once, before any event loop runs."""
    prepare_certificates()


@pytest.fixture(scope="session", autouse=True)
def _ear() -> Iterator[None]:
    """Every log line of the run is searched for secrets."""
    logging.getLogger().addHandler(EAR)
    yield
    logging.getLogger().removeHandler(EAR)


@pytest.fixture
async def harness() -> AsyncIterator[Harness]:
    """Simulated gateways and an exporter; checks at the end what must hold in every test."""
    harness = Harness()
    yield harness
    await harness.aclose()
