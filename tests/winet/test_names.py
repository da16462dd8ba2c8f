"""Looking up names: by the system, and never in the way of the end."""

import asyncio
import socket
import threading

import pytest

from exporter.winet.names import THREAD_NAME, SystemResolver


async def test_resolver_finds_every_address_of_a_name() -> None:
    """`localhost` has at least 127.0.0.1, ready to be connected to."""
    results = await SystemResolver().resolve("localhost", 8082, socket.AF_INET)
    assert {(result["host"], result["port"]) for result in results} == {("127.0.0.1", 8082)}


@pytest.mark.parametrize("name", ["no-such-host.invalid", "a" * 64 + ".example", "é" * 200])
async def test_resolver_of_a_name_that_is_none_raises_os_error(name: str) -> None:
    """Unknown, too long or impossible to encode: one kind of failure."""
    with pytest.raises(OSError, match=r".+"):
        await SystemResolver().resolve(name, 1)


def test_resolver_that_hangs_does_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop ends while a look-up is stuck, and the late result is nobody's trouble."""
    stuck, released = threading.Event(), threading.Event()

    def hang(*_: object, **__: object) -> list[object]:
        stuck.set()
        released.wait(30)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)

    async def give_up() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await SystemResolver().resolve("gateway.example", 1)

    asyncio.run(give_up())
    assert stuck.is_set()
    (thread,) = [thread for thread in threading.enumerate() if thread.name == THREAD_NAME]
    assert thread.daemon
    released.set()
    thread.join(30)
    assert not thread.is_alive()


async def test_resolver_whose_result_comes_after_a_cancel_ignores_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop goes on, the answer is late, nothing happens."""
    released = threading.Event()

    def late(*_: object, **__: object) -> list[object]:
        released.wait(30)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", late)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await SystemResolver().resolve("gateway.example", 1)
    released.set()
    for thread in threading.enumerate():
        if thread.name == THREAD_NAME:
            await asyncio.to_thread(thread.join)
    await asyncio.sleep(0)
