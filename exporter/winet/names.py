"""Names to addresses by the system's own resolver, in threads that nobody has to wait for.

asyncio's way would hold up the end of the program until the last look-up gave up, which without a network
takes longer than a service manager's patience. A resolver of its own kind would not know `.local` names.
"""

from __future__ import annotations

import asyncio
import socket
import threading

from aiohttp.abc import AbstractResolver, ResolveResult

THREAD_NAME = "winet-resolve"


Found = list[ResolveResult] | OSError
Asked = tuple[str, socket.AddressFamily]


class SystemResolver(AbstractResolver):
    """`getaddrinfo` in a daemon thread a name; who gives up waiting leaves it to the next who asks."""

    def __init__(self) -> None:
        self._under_way: dict[Asked, asyncio.Future[Found]] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Every address of a host. Raises `OSError` where there is none."""
        asked = host, family
        found = self._under_way.get(asked)
        if found is None:
            found = self._under_way[asked] = self._ask(asked)
        result = await asyncio.shield(found)
        if isinstance(result, OSError):
            raise result
        return [ResolveResult(**{**address, "port": port}) for address in result]

    def _ask(self, asked: Asked) -> asyncio.Future[Found]:
        """Begin a look-up. One that hangs for good costs one thread, however often its name is asked for."""
        loop = asyncio.get_running_loop()
        found: asyncio.Future[Found] = loop.create_future()

        def settle(result: Found) -> None:
            del self._under_way[asked]
            found.set_result(result)

        def look_up() -> None:
            result = _look_up(*asked)
            try:
                loop.call_soon_threadsafe(settle, result)
            except RuntimeError:
                pass  # the loop has ended meanwhile; nobody wants to know any more

        threading.Thread(target=look_up, name=THREAD_NAME, daemon=True).start()
        return found

    async def close(self) -> None:
        """Nothing is held."""


def _look_up(host: str, family: socket.AddressFamily) -> Found:
    try:
        infos = socket.getaddrinfo(host, None, family, socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    except (OSError, UnicodeError) as error:
        return error if isinstance(error, OSError) else OSError(str(error))
    return [
        ResolveResult(
            hostname=host,
            host=str(address[0]),
            port=0,
            family=found_family,
            proto=proto,
            flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
        )
        for found_family, _, proto, _, address in infos
    ]
