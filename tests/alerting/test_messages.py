"""The message template, by the real amtool: what a person reads, whatever an alert lacks or brings."""

from html.parser import HTMLParser
from typing import Any

import pytest

from tests.alerting.alertmanager import rendered
from tests.alerting.examples import TEMPLATES

pytestmark = pytest.mark.real

RUNBOOKS = "https://github.com/winet-exporter/winet-exporter/blob/main/docs/runbooks.md"
PUSH_LIMIT = 4096  # characters; what Telegram and ntfy take
NEVER = "0001-01-01T00:00:00Z"
DOWN = {
    "labels": {"alertname": "WinetGatewayDown", "severity": "critical", "job": "winet", "target": "roof"},
    "annotations": {
        "summary": "A gateway does not answer by day.",
        "description": "Nothing has been heard of roof for a quarter of an hour.",
        "runbook_url": f"{RUNBOOKS}#winetgatewaydown",
    },
}
WEAK = {
    "labels": {
        "alertname": "WinetStringWeak", "severity": "warning", "job": "winet", "site": "home",
        "target": "roof", "name": "garage", "device": "A2200000001", "string": "3",
    },
    "annotations": {"summary": "A string is weak.", "description": "It gives 41 % of its fellows."},
}  # fmt: skip


def alert(what: dict[str, Any], *, over: bool = False) -> dict[str, Any]:
    return {
        "status": "resolved" if over else "firing",
        "labels": {},
        "annotations": {},
        "startsAt": "2026-11-25T13:05:00Z",
        "endsAt": "2026-11-25T14:31:00Z" if over else NEVER,
        "generatorURL": "http://prometheus.example:9090/graph?g0.expr=winet2_up+%3D%3D+0&g0.tab=1",
        **what,
    }


def payload(*alerts: dict[str, Any]) -> dict[str, Any]:
    """As Alertmanager puts it together."""
    labels, annotations = ([set(one[part].items()) for one in alerts] for part in ("labels", "annotations"))
    return {
        "receiver": "everyday",
        "status": "firing" if any(one["status"] == "firing" for one in alerts) else "resolved",
        "alerts": list(alerts),
        "groupLabels": {},
        "commonLabels": dict(set.intersection(*labels)),
        "commonAnnotations": dict(set.intersection(*annotations)),
        "externalURL": "http://alertmanager.example:9093",
    }


def title(*alerts: dict[str, Any]) -> str:
    return rendered("winet.title", payload(*alerts), TEMPLATES)


def text(*alerts: dict[str, Any], zone: str = "UTC") -> str:
    return rendered("winet.text", payload(*alerts), TEMPLATES, zone=zone)


class Page(HTMLParser):
    """The text of a page by the element it is in, and where its links lead."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.words: list[str] = []
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.words.append(data.strip())


def page(*alerts: dict[str, Any]) -> Page:
    return Page(rendered("winet.html", payload(*alerts), TEMPLATES, html=True, zone="UTC"))


def test_title_when_one_alert_fires_then_it_is_its_summary_and_place():
    """What happened and where is read without opening the message, and whether it is urgent."""
    assert title(alert(DOWN)) == "CRITICAL roof: A gateway does not answer by day."
    assert title(alert(WEAK)) == "roof: A string is weak."
    assert title(alert(WEAK, over=True)) == "OVER roof: A string is weak."
    nowhere = {"labels": {"alertname": "WinetExporterDown", "severity": "critical", "job": "winet"}}
    assert title(alert(nowhere)) == "CRITICAL: WinetExporterDown"
    assert title(alert({"labels": {"alertname": "WinetX"}})) == "WinetX"


def test_title_when_several_alerts_fire_then_it_counts_them_and_says_where():
    """The count, the place they share, and how many of them are over."""
    assert title(alert(DOWN), alert(WEAK)) == "CRITICAL roof: 2 alerts"
    assert title(alert(WEAK), alert(DOWN, over=True)) == "roof: 1 alert, 1 over"
    assert title(alert(WEAK, over=True), alert(DOWN, over=True)) == "OVER roof: 2 alerts"
    elsewhere = {**WEAK, "labels": {**WEAK["labels"], "target": "barn"}}
    assert title(alert(WEAK), alert(elsewhere)) == "home: A string is weak. (2 alerts)"
    assert title(alert(WEAK), alert(elsewhere, over=True)) == "home: A string is weak. (1 alert, 1 over)"
    assert (
        title(alert(WEAK, over=True), alert(elsewhere, over=True))
        == "OVER home: A string is weak. (2 alerts)"
    )
    assert title(alert(WEAK), alert({"labels": {"alertname": "WinetReloadFailed"}})) == "2 alerts"


def test_text_when_alerts_fire_and_end_then_it_reads_as_expected():
    """What, where, since when, why, and what to do; then what is over. By the clock on the wall."""
    found = text(alert(DOWN), alert(WEAK), alert(WEAK, over=True), zone="Europe/Berlin")
    assert found == (
        "A gateway does not answer by day.\n"
        "roof, since Wed 25 Nov 14:05\n"
        "Nothing has been heard of roof for a quarter of an hour.\n"
        f"{RUNBOOKS}#winetgatewaydown\n"
        "\n"
        "A string is weak.\n"
        "home, roof, garage, device A2200000001, string 3, since Wed 25 Nov 14:05\n"
        "It gives 41 % of its fellows.\n"
        "\n"
        "Over:\n"
        "- A string is weak. (home, roof, garage, device A2200000001, string 3, "
        "Wed 25 Nov 14:05 to Wed 25 Nov 15:31)\n"
    )


def test_text_when_everything_is_over_then_that_is_all_it_says():
    """No blank line first, no advice for what has gone."""
    assert text(alert(DOWN, over=True)) == (
        "Over:\n- A gateway does not answer by day. (roof, Wed 25 Nov 13:05 to Wed 25 Nov 14:31)\n"
    )


@pytest.mark.parametrize("labels, where", [
    ({}, "somewhere"),
    ({"job": "winet"}, "winet"),
    ({"job": "winet", "instance": "127.0.0.1:10182"}, "127.0.0.1:10182"),
    ({"job": "winet", "instance": "127.0.0.1:10182", "site": "home"}, "home"),
    ({"target": "roof", "phase": "b"}, "roof, phase b"),
    ({"target": "roof", "device": "A1", "mppt": "2"}, "roof, device A1, mppt 2"),
    ({"device": "A1", "family": "pv_energy"}, "device A1"),
])  # fmt: skip
def test_text_when_labels_are_missing_then_it_says_what_there_is(labels, where):
    """An alert without a device, a target or a summary is told all the same."""
    expected = f"WinetX\n{where}, since Wed 25 Nov 13:05\n"
    assert text(alert({"labels": {"alertname": "WinetX", **labels}})) == expected
    assert where in page(alert({"labels": {"alertname": "WinetX", **labels}})).words[-3]


def test_messages_when_an_alert_has_nothing_then_they_still_say_something():
    """No label, no annotation: no failure, no `<no value>`."""
    assert title(alert({})) == "alert without a name"
    assert text(alert({})) == "alert without a name\nsomewhere, since Wed 25 Nov 13:05\n"
    assert "alert without a name" in page(alert({})).words


def fifty(**changes: Any) -> list[dict[str, Any]]:
    """Fifty gateways that went down together, with names as long as they get."""
    return [
        alert(
            {
                "labels": {**DOWN["labels"], "target": f"{number:02}" + "x" * 200, "site": "y" * 200},
                "annotations": {
                    "summary": f"{number:02}" + "s" * 500,
                    "description": "d" * 5000,
                    "runbook_url": DOWN["annotations"]["runbook_url"],
                },
            },
            **changes,
        )
        for number in range(50)
    ]


def test_messages_when_fifty_gateways_are_down_then_they_stay_short():
    """Push services take 4096 characters: five alerts are told, the others counted; a mail tells twenty."""
    found = text(*fifty(), *fifty(over=True))
    assert len(found) < PUSH_LIMIT
    assert found.count("and 45 more") == 2
    assert "04" + "s" * 98 + "…" in found
    assert "05ss" not in found
    assert title(*fifty()) == "CRITICAL " + "y" * 40 + "…: 50 alerts"
    assert len(title(fifty()[0])) < 160
    words = " ".join(page(*fifty(), *fifty(over=True)).words)
    assert words.count("19sss") == 2
    assert "20sss" not in words
    assert "and 30 more and 30 more that are over" not in words  # each where it belongs
    assert "and 30 more" in words
    assert "and 30 more that are over" in words


def test_page_when_names_have_special_characters_then_they_stay_text():
    """Nothing that a device or a configuration says becomes markup, a script or a link of its own."""
    evil = """<script>alert(1)</script> & "roof" 'x' <img src=x onerror=y>"""
    found = page(
        alert(
            {
                "labels": {"alertname": evil, "target": evil, "severity": evil},
                "annotations": {"summary": evil, "description": evil, "runbook_url": "javascript:alert(1)"},
                "generatorURL": 'http://p/"><script>',
            }
        )
    )
    assert not {"script", "img"} & set(found.tags)
    assert sum(evil in words for words in found.words) >= 3
    assert not [link for link in found.links if not link.startswith("http") and link != "#ZgotmplZ"]


def test_page_when_alerts_fire_and_end_then_it_has_all_words_and_links():
    """The same as the text, and ways to the runbook, the values and the list of alerts."""
    found = page(alert(DOWN), alert(WEAK, over=True))
    assert found.words == [
        "CRITICAL roof: 1 alert, 1 over",
        "CRITICAL roof: 1 alert, 1 over",
        "A gateway does not answer by day.",
        "roof, since Wed 25 Nov 13:05",
        "Nothing has been heard of roof for a quarter of an hour.",
        "What to do",
        ",",
        "look at the values",
        "Over:",
        "A string is weak.",
        "home, roof, garage, device A2200000001, string 3, Wed 25 Nov 13:05 to Wed 25 Nov 14:31",
        "All alerts, and silences",
    ]
    assert found.links == [
        f"{RUNBOOKS}#winetgatewaydown",
        "http://prometheus.example:9090/graph?g0.expr=winet2_up+%3D%3D+0&g0.tab=1",
        "http://alertmanager.example:9093",
    ]
