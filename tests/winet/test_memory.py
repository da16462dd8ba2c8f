"""What outlives the process: the file itself, and what a session makes of it after a restart."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from exporter import config
from exporter.simulator import SimulatedGateway
from exporter.winet import memory
from exporter.winet.memory import FILE, Memory, Record
from exporter.winet.pool import Pool
from tests.harness import OLD, PASSWORD, STRING, Harness, config_text, received

PLACE = "192.0.2.1:443"
REFUSED = Record(tls_seen=True, state="refused", until=1e9, refusals=3, salt="ab" * 16, digest="cd" * 64)

# The file --------------------------------------------------------------------------------------------


def entries(folder: Path) -> list[str]:
    return [entry.name for entry in folder.iterdir()]


async def saved(folder: Path, record: Record = REFUSED) -> Path:
    """A file with one record in it."""
    known = await asyncio.to_thread(Memory.load, folder)
    held = known.record(PLACE)
    vars(held).update(vars(record))
    await known.save()
    return folder / FILE


async def test_memory_when_it_is_loaded_again_then_it_knows_the_same(tmp_path: Path) -> None:
    """Every field comes back; of a gateway without a history nothing is kept."""
    file = await saved(tmp_path / "deep" / "er")
    document = json.loads(file.read_text())
    assert document["version"] == 1
    assert list(document["gateways"]) == [PLACE]
    assert Memory.load(file.parent).record(PLACE) == REFUSED
    assert Memory.load(file.parent).record("192.0.2.2:") == Record()


async def test_memory_when_it_is_saved_then_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    """And nothing half written is left beside it."""
    file = await saved(tmp_path)
    assert file.stat().st_mode & 0o777 == 0o600
    assert entries(tmp_path) == [FILE]


async def test_memory_when_writing_breaks_off_then_the_old_file_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A full disk costs a warning, nothing else; the next save makes up for it."""
    file = await saved(tmp_path)
    before = file.read_bytes()
    known = await asyncio.to_thread(Memory.load, tmp_path)
    other = known.record("other")
    other.tls_seen = True

    def full(document: Any, handle: Any, **options: Any) -> None:
        handle.write('{"version": 1, "gate')
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(memory.json, "dump", full)
        await known.save()
    assert file.read_bytes() == before
    assert entries(tmp_path) == [FILE]
    (warning,) = caplog.records
    assert warning.message == "sessions cannot be stored"
    await known.save()
    assert Memory.load(tmp_path).record("other").tls_seen


RECORD = {"tls_seen": True, "state": "refused", "until": 1e9, "refusals": 1, "salt": "ab", "digest": "cd"}


def document(**changes: Any) -> str:
    return json.dumps({"version": 1, "gateways": {PLACE: {**RECORD, **changes}}})


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "7", '"text"', "null", "{}", '{"version": 1}', '{"version": 2, "gateways": {}}',
        '{"version": "1", "gateways": {}}', '{"version": 1, "gateways": []}',
        '{"version": 1, "gateways": "x"}',
        '{"version": 1, "gateways": {"a": []}}', '{"version": 1, "gateways": {"a": null}}',
        "[" * 100_000, "\xff",
        document(tls_seen="yes"), document(tls_seen=1), document(state="x"), document(state=None),
        document(state="online"), document(until="soon"), document(until=True), document(until=float("nan")),
        document(until=float("inf")), document(refusals=-1), document(refusals=1.5), document(salt="xyz"),
        document(salt=7), document(digest=[]),
    ],
)  # fmt: skip
def test_memory_when_the_file_is_broken_then_it_is_set_aside_with_a_warning(
    text: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The exporter starts all the same, and somebody can look at what was there."""
    (tmp_path / FILE).write_bytes(text.encode("latin-1"))
    known = Memory.load(tmp_path)
    assert known.record(PLACE) == Record()
    assert (tmp_path / "sessions.broken").read_bytes() == text.encode("latin-1")
    (warning,) = caplog.records
    assert warning.message == "stored sessions cannot be read and are set aside"
    assert json.loads((tmp_path / FILE).read_text()) == {"version": 1, "gateways": {}}


def test_memory_when_the_file_is_huge_then_it_is_not_read(tmp_path: Path) -> None:
    """It is set aside unread."""
    with (tmp_path / FILE).open("wb") as file:
        file.truncate(memory.LARGEST_FILE + 1)
    Memory.load(tmp_path)
    assert (tmp_path / "sessions.broken").stat().st_size == memory.LARGEST_FILE + 1


def test_memory_when_a_field_is_unknown_or_missing_then_the_rest_counts(tmp_path: Path) -> None:
    """A later version may know more, an earlier one less."""
    raw = {"version": 1, "gateways": {PLACE: {"tls_seen": True, "colour": "red"}}, "more": 1}
    (tmp_path / FILE).write_text(json.dumps(raw))
    assert Memory.load(tmp_path).record(PLACE) == Record(tls_seen=True)


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_memory_when_the_folder_cannot_be_used_then_the_start_fails(tmp_path: Path, name: str) -> None:
    """At the start, when somebody looks, and not at the first refusal."""
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        Memory.load(tmp_path / name)


async def test_memory_when_many_save_at_once_then_nothing_is_lost_and_few_writes_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand gateways that come online together are no thousand files."""
    known = await asyncio.to_thread(Memory.load, tmp_path)
    writes = []
    write = known._write
    monkeypatch.setattr(known, "_write", lambda: (writes.append(1), write()))

    async def note(number: int) -> None:
        record = known.record(f"gateway {number}")
        record.tls_seen = True
        await known.save()

    await asyncio.gather(*(note(n) for n in range(1000)))
    assert len(writes) <= 2
    assert len(json.loads((tmp_path / FILE).read_text())["gateways"]) == 1000


async def test_memory_without_a_folder_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without --storage.path no file is written."""
    monkeypatch.chdir(tmp_path)
    known = Memory()
    record = known.record(PLACE)
    record.tls_seen = True
    await known.save()
    assert entries(tmp_path) == []


def test_digest_when_accounts_differ_then_so_do_their_digests():
    """By user name, password, salt, and by where the one ends and the other begins."""
    accounts = [
        ("aa", "u", "pw"),
        ("bb", "u", "pw"),
        ("aa", "u", "px"),
        ("aa", "up", "w"),
        ("aa", "u:p", "w"),
    ]
    assert len({memory.digest(*account) for account in accounts}) == len(accounts)
    assert memory.digest("aa", "u", "pw") == memory.digest("aa", "u", "pw")


# A restart -------------------------------------------------------------------------------------------

Run = Callable[..., Awaitable[Pool]]


@pytest.fixture
async def run(harness: Harness, tmp_path: Path) -> AsyncIterator[Run]:
    """Start an exporter process's half that keeps its memory in a folder; the one before is ended first."""
    pools: list[Pool] = []

    async def start(gateway: SimulatedGateway, password: str | None = "wrong", **more: Any) -> Pool:
        for pool in pools:
            await pool.aclose()
        account = {"username": "user", **more.pop("account", {"password": password or "none"})}
        target = harness.target(gateway, **({"credentials": "own"} if password else {}), **more)
        text = config_text({"credentials": {"own": account}, "targets": [target]})
        pool = Pool(
            config.parse(text, source="test", folder=tmp_path).targets,
            on_change=lambda _: harness.look(),
            clock=harness.loop.time,
            wall=lambda: harness.now().timestamp(),
            rng=random.Random(1),
            memory=await asyncio.to_thread(Memory.load, tmp_path / "storage"),
        )
        pools.append(pool)
        await pool.start()
        return pool

    yield start
    for pool in pools:
        await pool.aclose()


async def reach(harness: Harness, pool: Pool, state: str) -> None:
    await harness.until(lambda: pool.status("roof").state == state)


def stored(tmp_path: Path) -> dict[str, Any]:
    """The one record in the file."""
    (record,) = json.loads((tmp_path / "storage" / FILE).read_text())["gateways"].values()
    return dict(record)


async def until_stored(harness: Harness, tmp_path: Path, **fields: Any) -> None:
    """Wait until the file says so."""
    for _ in range(100):
        gateways = json.loads((tmp_path / "storage" / FILE).read_text())["gateways"]
        if gateways and fields.items() <= stored(tmp_path).items():
            return
        await harness.pass_time(0.1)
    raise AssertionError(f"never stored {fields}: {gateways}")


@pytest.mark.parametrize("fault, state", [("login-refused", "refused"), ("locked", "locked")])
async def test_restart_with_a_refused_login_does_not_repeat_it_before_its_time(
    harness: Harness, run: Run, tmp_path: Path, fault: str, state: str
) -> None:
    """A restart loop locks no account, and the pause goes on doubling."""
    gateway = await harness.gateway(STRING, faults=[fault])
    logins = lambda: len(received(gateway, "login"))  # noqa: E731
    await reach(harness, await run(gateway), state)
    await until_stored(harness, tmp_path, state=state, refusals=1)
    for _ in range(5):
        pool = await run(gateway)
        await reach(harness, pool, state)
        await harness.pass_time(300)
        assert gateway.counts.upgrades == logins() == 1
    await harness.pass_time(400)
    assert logins() == 2
    await until_stored(harness, tmp_path, refusals=2)
    await run(gateway)
    await harness.pass_time(3300)
    assert logins() == 2
    await harness.pass_time(400)
    assert logins() == 3


async def test_restart_after_the_pause_tries_once_and_doubles_it(
    harness: Harness, run: Run, tmp_path: Path
) -> None:
    """Who is down for longer than the pause does not begin anew with half an hour."""
    gateway = await harness.gateway(STRING, faults=["login-refused"])
    pool = await run(gateway)
    await reach(harness, pool, "refused")
    await until_stored(harness, tmp_path, refusals=1)
    await pool.aclose()
    await harness.pass_time(2000)
    pool = await run(gateway)
    await reach(harness, pool, "refused")
    await until_stored(harness, tmp_path, refusals=2)
    await harness.pass_time(3500)
    assert len(received(gateway, "login")) == 2


async def test_restart_with_another_password_tries_it_at_once(
    harness: Harness, run: Run, tmp_path: Path
) -> None:
    """And what works ends what was remembered."""
    gateway = await harness.gateway(STRING, accounts={"user": PASSWORD})
    await reach(harness, await run(gateway), "refused")
    await until_stored(harness, tmp_path, state="refused")
    pool = await run(gateway, PASSWORD)
    await reach(harness, pool, "online")
    await until_stored(harness, tmp_path, state="", refusals=0)


async def test_restart_with_a_password_file_sees_it_corrected_while_it_waits(
    harness: Harness, run: Run, tmp_path: Path
) -> None:
    """As before the restart: it is not a day's wait for a password that is right by now."""
    gateway = await harness.gateway(STRING, accounts={"user": PASSWORD})
    file = tmp_path / "password"
    file.write_text("wrong\n")
    account = {"password_file": str(file)}
    await reach(harness, await run(gateway, account=account), "refused")
    await until_stored(harness, tmp_path, state="refused")
    pool = await run(gateway, account=account)
    await reach(harness, pool, "refused")
    await harness.pass_time(60)
    assert len(received(gateway, "login")) == 1
    file.write_text(PASSWORD)
    await harness.pass_time(20)
    assert pool.status("roof").state == "online"


@pytest.mark.parametrize("days", [-400, -1, 1, 400])
async def test_restart_with_a_clock_that_jumped_waits_a_day_at_most(
    harness: Harness, run: Run, tmp_path: Path, days: int
) -> None:
    """A small computer without a clock of its own may wake up in another year."""
    gateway = await harness.gateway(STRING, faults=["login-refused"])
    await reach(harness, await run(gateway), "refused")
    await until_stored(harness, tmp_path, state="refused")
    harness.starts_at += timedelta(days=days)
    await run(gateway)
    await harness.pass_time(86400 + 60)
    assert len(received(gateway, "login")) >= 2


async def test_restart_after_withheld_credentials_takes_the_advice_at_once(
    harness: Harness, run: Run, tmp_path: Path
) -> None:
    """Nothing was sent, so nothing can be locked: `transport: ws` counts from the restart on."""
    gateway = await harness.gateway(STRING, tls=False, accounts={"user": PASSWORD})
    await reach(harness, await run(gateway, PASSWORD, transport="auto"), "refused")
    assert received(gateway, "login") == []
    await harness.pass_time(10)
    await reach(harness, await run(gateway, PASSWORD, transport="ws"), "online")


@pytest.mark.parametrize("password, state", [("pw1111", "online"), ("wrong", "refused")])
async def test_restart_with_a_gateway_that_spoke_tls_is_never_plain(
    harness: Harness, run: Run, tmp_path: Path, password: str, state: str
) -> None:
    """Under `auto`, whether or not the login worked: what answers in plain text is somebody else."""
    gateway = await harness.gateway(STRING)
    port = gateway.port
    await reach(harness, await run(gateway, password, transport="auto"), state)
    await until_stored(harness, tmp_path, tls_seen=True)
    await (await run(gateway, password, transport="auto")).aclose()
    await gateway.stop()
    plain = await harness.gateway(OLD, port=port)
    (tmp_path / "storage" / FILE).write_text(
        json.dumps(
            {"version": 1, "gateways": {f"127.0.0.1:{port}": {"tls_seen": stored(tmp_path)["tls_seen"]}}}
        )
    )
    pool = await run(plain, None, transport="auto")
    await reach(harness, pool, "backing_off")
    await harness.pass_time(600)
    assert plain.counts.tcp_accepted > 1
    assert plain.counts.upgrades == 0


async def test_file_of_refused_and_working_logins_holds_no_secret(
    harness: Harness, run: Run, tmp_path: Path
) -> None:
    """Neither a password nor a token, plain, quoted, reversed or as hex; nor the user's name."""
    gateway = await harness.gateway(STRING, accounts={"user": "right-one"})
    seen = ""
    for password, state in ((PASSWORD, "refused"), ("right-one", "online")):
        await reach(harness, await run(gateway, password), state)
        await harness.pass_time(1)
        seen += (tmp_path / "storage" / FILE).read_text()
    tokens = {json.loads(e.text).get("token") for e in received(gateway)} - {None, ""}
    assert len(tokens) >= 2
    for secret in (PASSWORD, "right-one", "wrong", *tokens):
        forms = (secret, secret[::-1], json.dumps(secret)[1:-1], secret.encode().hex(), secret.upper())
        assert not [form for form in forms if form in seen]
    assert '"user"' not in seen
