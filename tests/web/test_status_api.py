"""`/api/v1/status` and the lists behind it: pages, filters, words for mistakes; the loop goes on."""

import asyncio
import gc
import json
import re
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from aiohttp.test_utils import TestClient

import exporter
from exporter import __version__
from exporter.telemetry import State
from exporter.web.listing import MOST, BadQuery, Turns, parse_query
from exporter.web.status import KEY_VALUES
from tests.web.plants import WALL, Plants

ALL = ["attic", "barn", "roof"]
HOSTILE = "</script><img src=x onerror=alert(1)>\"'&\u202e\u2066"
Client = Callable[..., Awaitable[Any]]


@pytest.fixture
def plants() -> Plants:
    return Plants()


@pytest.fixture
async def client(aiohttp_client: Client, plants: Plants) -> TestClient:
    found: TestClient = await aiohttp_client(plants.server().make_app())
    return found


async def get(client: TestClient, query: str = "") -> Any:
    answer = await client.get(f"/api/v1/status{query}")
    assert answer.status == 200, await answer.text()
    return await answer.json()


def names(document: Any) -> list[str]:
    return [target["name"] for target in document["targets"]]


async def test_status_when_it_is_asked_for_then_exporter_counts_and_targets_are_told(client, plants):
    """One document of what is at hand, never stored by anybody."""
    plants.house()
    plants.add("barn", State.LOCKED)
    plants.now += 2.0
    answer = await client.get("/api/v1/status")
    assert answer.content_type == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    document = await answer.json()
    targets = document.pop("targets")
    states = dict.fromkeys(map(str, State), 0) | {"online": 1, "locked": 1}
    assert document == {
        "exporter": {"version": __version__, "started_timestamp_seconds": WALL, "uptime_seconds": 2.0,
                     "refused_reload": None},
        "timestamp_seconds": WALL + 2.0, "known": 2, "total": 2, "problems": 1, "states": states,
        "limit": 100, "offset": 0,
    }  # fmt: skip
    assert targets[1]["plant"]["pv_power_watts"] == 3500.0
    assert targets[1]["plant"]["without"] == []


async def test_status_when_a_head_is_asked_for_then_it_has_no_body(client):
    """HEAD works wherever GET does."""
    answer = await client.head("/api/v1/status")
    assert (answer.status, await answer.read()) == (200, b"")


async def test_status_when_there_is_no_target_then_it_is_still_a_document(client):
    """An empty list is a list."""
    assert (await get(client))["targets"] == []


async def test_status_when_targets_stand_differently_then_those_with_a_problem_come_first(client, plants):
    """What a person must mend, what is wrong, what is on its way, what sleeps, what works; then by name."""
    for name, state in (("f", State.ONLINE), ("b", State.ONLINE), ("e", State.ASLEEP),
                        ("d", State.CONNECTING), ("a", State.BACKING_OFF),
                        ("z", State.REFUSED), ("y", State.LOCKED)):  # fmt: skip
        plants.add(name, state)
    plants.add("c", devices=None, had_first_cycle=True)
    plants.add("g", State.CONNECTING, failing_since=plants.now - 60.0, failed_into=State.BACKING_OFF)
    assert names(await get(client)) == ["y", "z", "a", "c", "g", "d", "e", "b", "f"]


async def test_status_when_one_target_is_asked_for_then_it_is_the_only_one(client, plants):
    """The name has to be exact."""
    plants.add("roof")
    plants.add("roof 2")
    document = await get(client, "?target=roof")
    assert (names(document), document["total"], document["known"]) == (["roof"], 1, 2)


async def test_status_when_the_target_is_not_known_then_it_is_404_in_words(client):
    """A script can tell a target that is gone from a mistake of its own."""
    answer = await client.get("/api/v1/status", params={"target": HOSTILE})
    assert answer.status == 404
    assert (await answer.json())["error"].startswith("no target is called ")


async def test_status_when_it_is_filtered_then_counts_are_of_what_matches(client, plants):
    """Text is searched in names and hosts, whatever the case; the states' counts do not follow the state."""
    plants.add("North roof", State.LOCKED)
    plants.add("South roof")
    plants.add("Barn", host="roof.example")
    plants.add("Shed", State.LOCKED)
    document = await get(client, "?q=ROOF&state=online")
    assert names(document) == ["Barn", "South roof"]
    assert (document["total"], document["problems"], document["known"]) == (2, 1, 4)
    assert (document["states"]["online"], document["states"]["locked"]) == (2, 1)
    assert names(await get(client, "?q=&state=")) == ["North roof", "Shed", "Barn", "South roof"]


@pytest.mark.parametrize(
    "text, found",
    [("HOME", ["roof"]), ("site=home", ["roof"]), ("Site=", ["barn", "roof"]), ("straße", ["barn"]),
     ("STRASSE 7", ["barn"]), ("site", ["barn", "roof"]), ("owner=home", []), ("attic", ["attic"]),
     ("", ALL)],
)  # fmt: skip
async def test_status_when_text_is_searched_then_own_labels_are_searched_too(client, plants, text, found):
    """What a site is called stands in a label and nowhere else."""
    plants.add("roof", labels={"site": "Home"})
    plants.add("barn", labels={"site": "field", "place": "Lange Straße 7"})
    plants.add("attic")
    document = await get(client, f"?{urlencode({'q': text})}")
    assert names(document) == found
    assert all(
        target["labels"] == plants.statuses[target["name"]].info.labels for target in document["targets"]
    )


async def test_status_when_it_is_paged_then_every_target_is_there_once(client, plants):
    """Pages do not overlap, and a page behind the last one is empty."""
    expected = sorted(f"t{number}" for number in range(25))
    for name in reversed(expected):
        plants.add(name)
    found = []
    for offset in range(0, 40, 10):
        document = await get(client, f"?limit=10&offset={offset}")
        assert (document["total"], document["limit"], document["offset"]) == (25, 10, offset)
        found += names(document)
    assert found == expected


@pytest.mark.parametrize("query, words", [
    ("limit=0", "limit"), ("limit=1001", "limit"), ("limit=-1", "limit"), ("limit=1.5", "limit"),
    ("limit=%D9%A1", "limit"), ("limit=99999999999", "limit"), ("offset=-1", "offset"),
    ("offset=x", "offset"), ("state=ok", "starting, connecting"), ("targt=roof", "targt"),
    (f"q={'x' * 257}", "q: longer"),
    (f"target={'x' * 257}", "target: longer"),
])  # fmt: skip
async def test_status_when_a_parameter_makes_no_sense_then_it_is_400_in_words(client, query, words):
    """The answer names the parameter; a misspelt one is not ignored."""
    answer = await client.get(f"/api/v1/status?{query}")
    assert answer.status == 400
    assert words in (await answer.json())["error"]
    assert (await client.get(f"/?{query}")).status == 400


async def test_status_when_names_are_hostile_then_they_come_back_as_they_went_in(client, plants):
    """JSON keeps them apart from everything else."""
    plants.add(HOSTILE, State.BACKING_OFF, error=HOSTILE, advice=HOSTILE, host=HOSTILE,
               devices=[plants.device(identity=HOSTILE, name=HOSTILE, model=HOSTILE)])  # fmt: skip
    (target,) = (await get(client, "?q=onerror"))["targets"]
    assert [target[key] for key in ("name", "host", "error", "advice")] == [HOSTILE] * 4
    assert (target["devices"][0]["device"], target["devices"][0]["name"]) == (HOSTILE, HOSTILE)


async def test_status_when_a_target_is_forgotten_meanwhile_then_it_has_no_values(client, plants):
    """A reload between two steps is no error."""
    plants.house()
    plants.exposition.forget("roof")
    (target,) = (await get(client))["targets"]
    assert (target["plant"]["pv_power_watts"], target["devices"]) == (None, [])


def test_query_when_nothing_is_asked_then_defaults_hold():
    """All targets, the first page."""
    query = parse_query({}, 24)
    assert (query.target, query.state, query.text, query.limit, query.offset) == ("", None, "", 24, 0)
    assert parse_query({"limit": str(MOST)}, 24).limit == MOST
    with pytest.raises(BadQuery, match="1 to 1000"):
        parse_query({"limit": "x"}, 24)


async def test_turns_when_work_takes_long_then_others_have_theirs():
    """A pause is one after enough work, and costs nothing before."""
    ran = []
    asyncio.get_running_loop().call_soon(ran.append, 1)
    await Turns(seconds=3600.0).pause()
    assert not ran
    await Turns(seconds=0.0).pause()
    assert ran


@pytest.mark.parametrize("path", ["/api/v1/status?limit=1000", "/?limit=1000"])
async def test_status_when_a_thousand_targets_are_asked_for_then_the_loop_goes_on(
    aiohttp_client, plants, path
):
    """No step takes longer than 20 ms, whether for the page or for JSON."""
    loop = asyncio.get_running_loop()
    loop.set_debug(False)
    for number in range(1000):
        plants.house(f"t{number}", fingerprint="AA:" * 31 + "AA", certificate_expiry_wall=WALL)
    client = await aiohttp_client(plants.server().make_app())
    steps: list[float] = []
    ended = False

    def beat(last: float) -> None:
        now = time.thread_time()  # of work, so that another process does not count
        steps.append(now - last)
        if not ended:
            loop.call_soon(beat, now)

    gc.collect()
    gc.freeze()  # else the collector looks through all targets now and then, which takes longer than that
    try:
        beat(time.thread_time())
        answer = await client.get(path)
        await answer.read()
        ended = True
    finally:
        gc.unfreeze()
    assert answer.status == 200
    steps.sort()
    text = await answer.text()
    assert text.count("AA:AA:AA") >= 1000
    if path.startswith("/api"):
        assert len(json.loads(text)["targets"]) == 1000
    assert steps[-1] < 0.02, steps[-5:]


def fields(document: Any, path: str = "") -> set[str]:
    """The paths of all fields; what is in a list counts once, and so do a device's values."""
    if isinstance(document, dict):
        return {path}.union(*(fields(value, f"{path}.{name}") for name, value in document.items()))
    if isinstance(document, list):
        return {path}.union(*(fields(value, f"{path}[]") for value in document))
    return {path}


async def test_status_when_it_is_documented_then_the_example_has_exactly_its_fields(client, plants):
    """No field without a word about it, none that is not there, and every key value is listed."""
    page = (Path(exporter.__file__).parent.parent / "docs" / "api.md").read_text("utf-8")
    (example,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    plants.house(fingerprint="AA")
    found = fields(await get(client))
    shown = fields(json.loads(example))
    assert {name for name in found if ".values." not in name} == {
        name for name in shown if ".values." not in name
    }
    assert {name for name in shown if ".values." in name} <= found
    assert [name for name in KEY_VALUES if f"`{name}`" not in page] == []
