"""What the process asks of its system, and what it does without."""

import asyncio
import gc
import logging
import resource
import subprocess
import sys
from asyncio import sslproto
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.commands import process
from exporter.simulator import SimulatedGateway
from tests.commands.running import fetch, running


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The limits of open files, soft and hard; the last are in force."""
    found = [(1024, 4096)]
    monkeypatch.setattr(resource, "getrlimit", lambda which: found[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda which, pair: found.append(pair))
    return found


def test_soft_limit_is_raised_to_the_hard_one(limits: list[tuple[int, int]]) -> None:
    """A thousand gateways do not fit into the 1024 files that a process has at first."""
    assert process.raise_open_files() == 4096
    assert limits[-1] == (4096, 4096)


def test_limit_that_cannot_be_raised_stays(
    limits: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A system that refuses is no reason not to start."""

    def refuse(which: int, pair: tuple[int, int]) -> None:
        raise ValueError("not allowed to raise maximum limit")

    monkeypatch.setattr(resource, "setrlimit", refuse)
    assert process.raise_open_files() == 1024


@pytest.mark.parametrize(
    "sockets, few", [(1024 - process.OTHER_FILES, False), (1025 - process.OTHER_FILES, True)]
)
def test_too_few_files_for_the_targets_are_told_with_the_remedy(
    sockets: int, few: bool, limits: list[tuple[int, int]], caplog: pytest.LogCaptureFixture
) -> None:
    """Who has more gateways than files learns it at the start, with the number to set and where."""
    with caplog.at_level(logging.WARNING):
        assert process.warn_of_few_files(sockets) is few
    assert len(caplog.records) == few
    for record in caplog.records:
        fields = record.fields  # type: ignore[attr-defined]
        assert (fields["limit"], fields["needed"]) == (1024, 1025)
        assert "LimitNOFILE=1025" in fields["advice"]


def test_unlimited_files_are_enough(limits: list[tuple[int, int]]) -> None:
    """No limit is not a limit of minus one."""
    limits.append((resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert not process.warn_of_few_files(1_000_000)


def test_loop_is_pythons_own_without_uvloop(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra may be missing: all works without it."""
    monkeypatch.setitem(sys.modules, "uvloop", None)
    monkeypatch.setattr(sslproto.SSLProtocol, "max_size", sslproto.SSLProtocol.max_size)
    with process.make_runner() as runner:
        assert isinstance(runner.get_loop(), asyncio.SelectorEventLoop)
    assert sslproto.SSLProtocol.max_size == process.TLS_BYTES


def test_loop_is_uvloops_with_it() -> None:
    """Whoever installs the extra need not switch it on."""
    uvloop = pytest.importorskip("uvloop")
    with process.make_runner() as runner:
        assert isinstance(runner.get_loop(), uvloop.Loop)


def test_python_without_the_constant_keeps_its_own_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another Python may do it otherwise; then it is left alone."""
    monkeypatch.delattr(sslproto.SSLProtocol, "max_size")
    process.slim_tls()
    assert not hasattr(sslproto.SSLProtocol, "max_size")


def test_nothing_is_collected_while_much_is_loaded() -> None:
    """Collections pause for the time of a load, and go on after it, even after a failed one."""
    assert gc.isenabled()
    assert process.uncollected(gc.isenabled) is False
    assert gc.isenabled()
    with pytest.raises(ZeroDivisionError):
        process.uncollected(lambda: 1 // 0)
    assert gc.isenabled()


@pytest.fixture
def thawed() -> Iterator[None]:
    yield
    gc.unfreeze()


async def test_what_is_there_after_a_minute_is_not_looked_through_again(
    thawed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once the sessions have begun, their memory is exempt from collections."""
    before = gc.get_freeze_count()
    monkeypatch.setattr(process, "SETTLED_SECONDS", 0.0)
    process.settle_later()
    passed = asyncio.Event()
    asyncio.get_running_loop().call_later(0.0, passed.set)
    await passed.wait()
    assert gc.get_freeze_count() > before


@pytest.mark.real
def test_patience_is_in_force_after_it_was_asked_for() -> None:
    """Thresholds, frozen imports and the switch of threads are as decided."""
    code = (
        "import gc, sys; from exporter.commands import process; process.be_patient();"
        "print(gc.get_threshold()[0], gc.get_freeze_count() > 1000, sys.getswitchinterval())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(process.COLLECTIONS[0]), "True", str(process.SWITCH_SECONDS)]


@pytest.mark.real
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
async def test_serve_is_scraped_on_either_loop(loop: str, tmp_path: Path) -> None:
    """With the extra and without it, the program starts, shows a gateway and ends cleanly."""
    if loop == "asyncio":
        (tmp_path / "uvloop.py").write_text("raise ImportError('as if it were not installed')\n", "utf-8")
    else:
        pytest.importorskip("uvloop")
    async with SimulatedGateway("SH5.0RS", tls=True) as gateway:
        env = {
            "PYTHONPATH": str(tmp_path),
            "WINET_HOST": f"127.0.0.1:{gateway.port}",
        }
        async with running("serve", "--web.listen-address=127.0.0.1:0", env=env) as exporter:
            address = (await exporter.line("msg=listening.* addresses=([^ ]+)"))[1]
            await gateway.until(lambda: gateway.counts.messages_sent >= 5)
            assert 'winet2_up{target="127.0.0.1' in await fetch(f"http://{address}/metrics")
            assert await exporter.end() == 0
    assert "level=error" not in exporter.log
