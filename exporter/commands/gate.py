"""The limit on connections under way, and the memory that they begin with.

uvloop has 256 kB for each TLS connection to read into, and uses the first few pages of them. glibc puts such
a buffer where other things were before, above all what the last handshake needed: 15 kB of used pages for
each connection, which will never be looked at again. So what is free is given back before a connection
begins: what comes from the system anew is empty until it is used.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

MANY_TARGETS = 50


class Gate(asyncio.Semaphore):
    """Who has come in has a connection under way until it goes out."""

    def __init__(self, most: int) -> None:
        super().__init__(most)
        self._give_back: Callable[[int], int] | None = None

    def expect(self, targets: int) -> None:
        """So many gateways are going to be read; few are not worth the half megabyte that `ctypes` takes."""
        if self._give_back is None and targets >= MANY_TARGETS and is_uvloops():
            self._give_back = trimmer()

    async def __aenter__(self) -> None:
        await super().__aenter__()
        if self._give_back is not None:
            self._give_back(0)


def is_uvloops() -> bool:
    """Whether the running event loop is one of uvloop's; asyncio's buffers are small."""
    return type(asyncio.get_running_loop()).__module__.startswith("uvloop")


def trimmer() -> Callable[[int], int] | None:
    """glibc's `malloc_trim`: gives free memory back but for so many bytes. None with another C library."""
    import ctypes

    try:
        found: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):
        return None
    return found
