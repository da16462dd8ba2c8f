"""The status page as the server writes it: every card is there, and nothing from outside becomes HTML."""

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest
from aiohttp.test_utils import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter import __version__
from exporter.telemetry import FaultRow, Faults, GatewayService, Location, Reading, State
from exporter.web.cards import card
from exporter.web.flow import flow
from exporter.web.markup import Html, element
from exporter.web.page import CONTENT_SECURITY_POLICY, TARGETS_A_PAGE
from exporter.web.status import Plant, target_status
from tests.web.plants import WALL, Plants

HOSTILE = "</script></style><script>alert(1)</script>\"'&<img src=x onerror=y>\u202e\u2066"


class Reader(HTMLParser):
    """Reads a page as a browser would: tags with attributes, the text of elements, links."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.links: dict[str, str] = {}
        self.cards: list[str] = []
        self.text = ""
        self.inside: dict[str, str] = {}
        self._open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.tags.append((tag, attributes))
        if tag == "article":
            self.cards.append("")
        if tag not in ("meta", "link", "input"):
            self._open.append(tag)
        if tag == "a" and "hidden" not in attributes:
            self._link = str(attributes["href"])

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        top = self._open[-1] if self._open else ""
        if top in ("script", "style"):
            self.inside[top] = self.inside.get(top, "") + data
            return
        self.text += data
        if self.cards and "article" in self._open:
            self.cards[-1] += f"{data} "
        if top == "a" and hasattr(self, "_link"):
            self.links[data] = self._link
            del self._link

    def shape(self) -> list[tuple[str, frozenset[str]]]:
        return [(tag, frozenset(attributes)) for tag, attributes in self.tags]


@pytest.fixture
def plants() -> Plants:
    return Plants()


async def read(aiohttp_client, plants: Plants, path: str = "/", **options: object) -> Reader:
    client: TestClient = await aiohttp_client(plants.server(**options).make_app())
    answer = await client.get(path)
    assert (answer.status, answer.content_type) == (200, "text/html")
    return Reader(await answer.text())


def words(plants: Plants, name: str = "roof") -> str:
    """The text of a target's card, with single spaces."""
    shown = plants.exposition.samples(name)
    assert shown is not None
    html = card(target_status(plants.statuses[name], shown, plants.now, plants.wall()))
    return " ".join(Reader(html).cards[0].split())


def test_card_when_a_target_has_own_labels_then_they_are_shown(plants):
    """Who searched for one sees why the target was found."""
    plants.add(labels={"site": "home", "owner": HOSTILE})
    told = words(plants)
    assert "site: home · owner: </script>" in told
    plants.add(labels={})
    assert "site" not in words(plants)


# The page --------------------------------------------------------------------------------------------


async def test_page_when_there_is_no_target_then_it_is_still_a_page(aiohttp_client, plants):
    """Version, links and the word about passwords are there before anything else."""
    page = await read(aiohttp_client, plants)
    assert page.links == {
        "Metrics": "./metrics", "JSON": "./api/v1/status", "Health": "./-/healthy", "Readiness": "./-/ready",
    }  # fmt: skip
    assert f"winet-exporter {__version__}" in page.text
    assert "0 of 0 targets online." in page.text
    assert "This exporter asks nobody for a password" in page.text
    assert ("html", {"lang": "en"}) in page.tags


async def test_page_when_the_server_has_more_then_the_page_tells(aiohttp_client, plants):
    """Another path of the metrics, the configuration, a handbook, a password, buttons."""
    page = await read(
        aiohttp_client, plants, telemetry_path="/solar/metrics", config_page=True, authenticated=True,
        docs_url="https://docs.example/", lifecycle=True,
    )  # fmt: skip
    assert page.links["Metrics"] == "./solar/metrics"
    assert page.links["Configuration"] == "./config"
    assert page.links["Documentation"] == "https://docs.example/"
    assert "password" not in page.text
    assert dict(page.tags)["main"]["data-lifecycle"] == "true"


async def test_page_when_metrics_are_at_the_root_then_there_is_none(aiohttp_client, plants):
    """The JSON is there all the same."""
    client = await aiohttp_client(plants.server(telemetry_path="/").make_app())
    assert (await client.get("/")).content_type == "text/plain"
    assert (await client.get("/api/v1/status")).status == 200


async def test_page_when_it_is_sent_then_only_its_own_script_and_style_may_run(aiohttp_client, plants):
    """The policy knows both by their hash, and nothing inline beside them; nobody may frame the page."""
    client = await aiohttp_client(plants.server().make_app())
    answer = await client.get("/")
    policy = answer.headers["Content-Security-Policy"]
    assert policy == CONTENT_SECURITY_POLICY
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    for tag, rule in (("script", "script-src"), ("style", "style-src")):
        digest = hashlib.sha256(Reader(await answer.text()).inside[tag].encode()).digest()
        assert rules.pop(rule) == f"'sha256-{base64.b64encode(digest).decode()}'"
    assert rules == {
        "default-src": "'none'", "connect-src": "'self'", "img-src": "data:", "base-uri": "'none'",
        "form-action": "'self'", "frame-ancestors": "'none'",
    }  # fmt: skip
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"


async def test_page_when_it_is_read_then_it_needs_nothing_from_elsewhere(aiohttp_client, plants):
    """No handler or style in an attribute, no address but its own."""
    plants.house()
    page = await read(aiohttp_client, plants)
    for tag, attributes in page.tags:
        assert not [name for name in attributes if name == "style" or name.startswith("on")], tag
        assert "src" not in attributes
        for name in ("href", "action"):
            assert str(attributes.get(name, "./")).startswith(("./", "data:"))
    assert not re.findall(r"https?://(?!www\.w3\.org/2000/svg)", page.inside["script"] + page.inside["style"])


async def test_page_when_there_are_many_targets_then_the_first_page_has_those_with_problems(
    aiohttp_client, plants
):
    """The rest is a link away, without any script."""
    for number in range(50):
        plants.add(f"t{number:02}", State.LOCKED if number == 40 else State.ONLINE)
    page = await read(aiohttp_client, plants, "/?q=t&state=")
    assert len(page.cards) == TARGETS_A_PAGE == 24
    assert page.cards[0].split()[0] == "t40"
    assert "49 of 50 targets online, 1 needs a look." in page.text
    assert "1 to 24 of 50" in page.text
    assert "Previous" not in "".join(page.links)
    last = await read(aiohttp_client, plants, page.links["Next →"].removeprefix(".") + "&offset=48")
    assert "25 to 48 of 50" in last.text
    assert last.links["← Previous"] == "./?q=t"
    end = await read(aiohttp_client, plants, "/?limit=10&state=online&offset=40")
    assert len(end.cards) == 9
    assert end.links["← Previous"] == "./?state=online&limit=10&offset=30"
    assert "Next →" not in end.links
    assert ("option", {"value": "online", "selected": ""}) in end.tags


async def test_page_when_nothing_matches_then_it_says_so(aiohttp_client, plants):
    """The search stays in its field."""
    plants.add()
    page = await read(aiohttp_client, plants, "/?q=%22%3E%3Cb%3E")
    assert ("p", {"id": "nothing"}) in page.tags
    assert [attributes["value"] for tag, attributes in page.tags if tag == "input"] == ['"><b>']
    assert "0 in all" in page.text
    assert "0 of 0 matching targets online." in page.text
    gone = await read(aiohttp_client, plants, "/?offset=10")
    assert "1 in all" in gone.text


async def test_page_when_a_target_is_not_known_then_it_is_404(aiohttp_client, plants):
    """In plain words."""
    client = await aiohttp_client(plants.server().make_app())
    answer = await client.get("/?target=x")
    assert (answer.status, answer.content_type) == (404, "text/plain")


# Hostile texts ---------------------------------------------------------------------------------------


def fill(plants: Plants, text: str) -> None:
    """One target, with the text wherever one from outside can be."""
    about = [
        Reading(f"I18N_COMMON_{key}", text, "") for key in ("DEVICE_SN", "VERSION", "APPLI_SOFT_VERSION")
    ]
    device = plants.device("inverter", text, name=text, model=text, online=False, pv=1)
    faulty = type(device)(device.device, device.answers, Faults(plants.now, (FaultRow(text, ""),)))
    plants.add(text, State.BACKING_OFF, devices=[faulty], gateway={GatewayService.ABOUT: about}, host=text,
               labels={"site": text},
               error=text, advice=text, transport=text, verify=text, fingerprint=text)  # fmt: skip


async def test_page_when_texts_are_hostile_then_they_are_only_text(aiohttp_client, plants):
    """Nothing that a gateway or a configuration says becomes a tag or an attribute."""
    other = Plants()
    fill(other, "x")
    fill(plants, HOSTILE)
    plain, page = await read(aiohttp_client, other), await read(aiohttp_client, plants)
    assert page.shape() == plain.shape()
    assert page.text.count(HOSTILE) >= 9


@settings(max_examples=80, deadline=None, derandomize=True, database=None)
@given(st.text(min_size=1, max_size=30).filter(lambda text: text.strip() == text and text not in "--"))
def test_card_when_texts_are_arbitrary_then_the_tags_stay_the_same(text):
    """Any text makes the same card around it."""
    shapes = []
    for each in ("x", text):
        plants = Plants()
        fill(plants, each)
        shown = plants.exposition.samples(each)
        assert shown is not None
        target = target_status(plants.statuses[each], shown, plants.now, plants.wall())
        shapes.append([tag for tag, _ in Reader(card(target)).tags if tag not in ("dt", "dd", "bdi")])
    assert shapes[0] == shapes[1]


def test_element_when_children_are_texts_then_they_are_escaped_and_none_is_left_out():
    """Only what is HTML already is taken as it is."""
    assert (
        element("p", {"a": "<\"'"}, "<&", None, Html("<br>")) == '<p a="&lt;&quot;&#x27;">&lt;&amp;<br></p>'
    )


# Cards -----------------------------------------------------------------------------------------------


def test_card_when_a_target_is_online_then_state_age_and_devices_are_told(plants):
    """Colour is never alone: the state is a word."""
    plants.house()
    plants.now += 3.0
    said = words(plants)
    assert said.startswith(
        "roof online 192.0.2.10 · wss · certificate not checked online for 8 s · read 3 s ago"
    )
    assert "hybrid A1 SH5.0RS · hybrid · energy dispatch operation" in said
    assert "PV 3.50 kW · AC 2.30 kW · charge 64 % · today 7.10 kWh" in said
    assert "battery B1 SH5.0RS · battery" in said
    assert "Last error" not in said


def test_card_when_a_target_failed_then_error_advice_and_next_try_are_told(plants):
    """In words, with what to do."""
    plants.add(state=State.BACKING_OFF, devices=None, error="no answer to real", advice="Check the gateway.",
               retry_at=plants.now + 90.0, failing_since=plants.now - 7200.0, transport="ws")  # fmt: skip
    said = words(plants)
    assert "ws · not encrypted" in said
    assert "backing off for 5 s · down for 2 h · next try in 90 s · never read" in said
    assert said.index("no answer to real") < said.index("Check the gateway.")
    assert "nothing is known yet" in said


@pytest.mark.parametrize("state", [State.ONLINE, State.ASLEEP])
def test_card_when_an_error_is_past_then_it_needs_no_advice(plants, state):
    """What went wrong once is told, but nothing is to be done."""
    plants.add(state=state, error="no answer", advice="Check the gateway.")
    assert "Last error: no answer" in words(plants)
    assert "Check" not in words(plants)


@pytest.mark.parametrize("state, level", [
    (State.ONLINE, "good"), (State.LOCKED, "bad"), (State.ASLEEP, "waiting"), (State.STARTING, "waiting"),
])  # fmt: skip
def test_card_when_a_state_is_coloured_then_by_its_need(plants, state, level):
    """Green works, red needs a person, the rest waits."""
    plants.add(state=state)
    shown = plants.exposition.samples("roof")
    assert shown is not None
    html = card(target_status(plants.statuses["roof"], shown, plants.now, plants.wall()))
    assert html.startswith(f'<article class="card {level}"')


def test_card_when_an_online_target_gives_no_readings_then_it_says_so(plants):
    """Else nobody knew why it is among the problems."""
    plants.house()
    assert "no readings" not in words(plants)
    plants.now += 120.0
    assert "read 2 min ago It is online, but gives no readings." in words(plants)


@pytest.mark.parametrize("faults, alarms, said", [
    ("1", "0", "The gateway reports 1 fault."), ("2", "1", "The gateway reports 2 faults and 1 alarm."),
])  # fmt: skip
def test_card_when_the_gateway_counts_faults_then_they_are_told(plants, faults, alarms, said):
    """In words."""
    state = [Reading("total_fault", faults, ""), Reading("total_alarm", alarms, "")]
    plants.add(gateway={GatewayService.STATE: state})
    assert said in words(plants)


def test_card_when_devices_are_silent_then_it_says_which_and_how(plants):
    """No link is another matter than no readings; a sum says what is missing in it."""
    plants.add(devices=[plants.device("inverter", "A1", name="East", pv=1),
                        plants.device("inverter", "A2", name="West", online=False),
                        plants.device("charger", "C1", name="")])  # fmt: skip
    said = words(plants)
    assert "West SH5.0RS · inverter · no link" in said
    assert "C1 SH5.0RS · charger · no readings" in said
    assert "Not in the sum, for the gateway has no link: West" in said


@pytest.mark.parametrize("expiry, said", [
    (WALL + 86400.0 * 30, "Certificate ends 2026-06-27, in 30 d Fingerprint AA:BB"),
    (WALL - 60.0, "Certificate ends 2026-05-28, which is past Fingerprint AA:BB"),
    (None, "Fingerprint AA:BB"),
])  # fmt: skip
def test_card_when_a_certificate_is_known_then_its_end_is_told(plants, expiry, said):
    """And so are firmware, cloud, WLAN and sun."""
    plants.add(fingerprint="AA:BB", certificate_expiry_wall=expiry, location=Location(0.0, 60.0), gateway={
        GatewayService.ABOUT: [Reading("I18N_COMMON_APPLI_SOFT_VERSION", "P028", "")],
        GatewayService.STATE: [Reading("cloud_conn_sts", "1", "")],
        GatewayService.LOCAL: [Reading("I18N_COMMON_WIFI_SIGNAL_STRN", "-61", "dBm")],
    })  # fmt: skip
    assert said in words(plants)
    assert "Firmware P028 Cloud connected WLAN -61 dBm Sun down" in words(plants)


# The flow --------------------------------------------------------------------------------------------


def label(plant: Plant) -> str:
    """What the picture says to those who cannot see it."""
    html = flow(plant)
    assert html is not None
    ((_, attributes), *_) = Reader(html).tags
    return str(attributes["aria-label"]).replace("\u00a0", " ")


def test_flow_when_everything_is_known_then_it_is_told_with_directions():
    """Import, export, charging and discharging are words as well as arrows."""
    assert label(Plant(3500.0, 1200.0, 0.0, 1100.0, 1200.0, 0.0, 0.64, 7.1 * 3.6e6)) == (
        "PV 3.50 kW today 7.10 kWh; Grid 1.10 kW export; House 1.20 kW; Battery 64 % 1.20 kW charging"
    )
    assert label(Plant(0.0, 900.0, 400.0, 0.0, 0.0, 500.0)) == (
        "PV 0 W; Grid 400 W import; House 900 W; Battery 500 W discharging"
    )


@pytest.mark.parametrize("plant, said", [
    (Plant(pv_power_watts=1.0, grid_export_power_watts=0.0), "PV 1 W; Grid 0 W idle"),
    (Plant(pv_power_watts=1.0, grid_import_power_watts=0.0), "PV 1 W; Grid 0 W idle"),
    (Plant(pv_power_watts=1.0, load_power_watts=-50.0), "PV 1 W; House -50 W"),
    (Plant(pv_power_watts=1.0, battery_state_of_charge_ratio=0.5), "PV 1 W; Battery 50 %"),
    (Plant(load_power_watts=0.0, battery_charge_power_watts=0.0), "House 0 W; Battery 0 W idle"),
])  # fmt: skip
def test_flow_when_something_is_unknown_then_it_is_left_out(plant, said):
    """A box without a value would be a riddle."""
    assert label(plant) == said


def test_flow_when_arrows_are_drawn_then_they_point_where_the_power_goes():
    """From PV to the middle, from there to house, grid and battery; none where nothing flows."""
    shapes = {}
    plants = {
        "out": Plant(1.0, 1.0, 0.0, 1.0, 1.0, 0.0),
        "in": Plant(1.0, 1.0, 1.0, 0.0, 0.0, 1.0),
        "none": Plant(0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
    }
    for name, plant in plants.items():
        drawn = [attributes for tag, attributes in Reader(flow(plant) or "").tags if tag == "path"]
        shapes[name] = [
            str(attributes["class"]) for attributes in drawn if "line" in str(attributes["class"])
        ]
        arrows = sum("arrow" in str(attributes["class"]) for attributes in drawn)
        assert arrows == (0 if name == "none" else 4)
    assert shapes == {
        "out": ["line pv in", "line grid out", "line house out", "line battery out"],
        "in": ["line pv in", "line grid in", "line house out", "line battery in"],
        "none": ["line pv idle", "line grid idle", "line house idle", "line battery idle"],
    }


def test_flow_when_little_is_known_then_a_line_is_enough():
    """A string inverter has PV only; nothing at all makes nothing."""
    html = flow(Plant(pv_power_watts=8870.0, pv_energy_today_joules=1.3e8))
    assert html is not None
    assert Reader(html).text.replace("\u00a0", " ") == "PV 8.87 kW today 36.1 kWh"
    assert flow(Plant()) is None
