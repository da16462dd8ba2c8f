"""The receivers of the example's comments, put in force: a mail and a Telegram message are really sent."""

import html
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.alerting.alertmanager import alertmanager, hook
from tests.alerting.examples import FASTER, TEMPLATES, has_token_file, with_receivers
from tests.alerting.faster import faster_routes
from tests.alerting.mailbox import mailbox
from tests.alerting.test_messages import Page

pytestmark = pytest.mark.real

EVIL = """<b>"roof" & 'barn'</b>"""


def alert(severity: str) -> dict[str, Any]:
    return {
        "labels": {"alertname": "WinetX", "severity": severity, "job": "winet", "target": EVIL},
        "annotations": {
            "summary": "Etwas ist faul - 21 °C.",
            "description": f"At {EVIL} and elsewhere.\n.\nA dot alone.",
            "runbook_url": "https://example.org/#winetx",
        },
        "startsAt": datetime.now(UTC).isoformat(),
    }


def configuration(kind: str, changes: dict[str, Any]) -> str:
    """The example with these receivers only, all times divided, and never night."""

    def change(document: dict[str, Any]) -> None:
        document["time_intervals"][0]["time_intervals"] = [{"years": ["1999"]}]
        for receiver in document["receivers"]:
            kinds = [one for one in receiver if one.endswith("_configs")]
            for one in set(kinds) - {kind}:
                del receiver[one]
            for settings in receiver.get(kind, ()):
                settings.update(changes)
                if "bot_token_file" in settings and not has_token_file():
                    settings["bot_token"] = Path(settings.pop("bot_token_file")).read_text("utf-8")

    return faster_routes(with_receivers(), FASTER, change)


async def test_mail_when_an_alert_fires_then_subject_text_and_page_arrive(tmp_path):
    """With the password of the file (0.25 minds a line end in it); names stay names, whatever is in them."""
    (tmp_path / TEMPLATES.name).write_text(TEMPLATES.read_text("utf-8"), "utf-8")
    (tmp_path / "mail.password").write_text("secret, quite")
    async with mailbox("solar@example.org", "secret, quite") as box:
        settings = {
            "smarthost": box.address,
            "require_tls": False,
            "auth_password_file": str(tmp_path / "mail.password"),
        }
        text = configuration("email_configs", settings)
        async with alertmanager(text, tmp_path) as running:
            await running.post(alert("warning"))
            mail = await box.mail()
    assert (mail["From"], mail["To"]) == ("solar@example.org", "me@example.org")
    assert mail["Subject"] == f"{EVIL}: Etwas ist faul - 21 °C."
    plain, page = mail.get_body(("plain",)), mail.get_body(("html",))
    assert plain is not None
    assert page is not None
    lines = plain.get_content().replace("\r\n", "\n").splitlines()
    assert lines[0] == "Etwas ist faul - 21 °C."
    assert lines[1].startswith(f"{EVIL}, since ")
    assert lines[2:] == [f"At {EVIL} and elsewhere.", ".", "A dot alone.", "https://example.org/#winetx"]
    seen = Page(page.get_content())
    assert "b" not in seen.tags
    assert f"{EVIL}: Etwas ist faul - 21 °C." in seen.words
    assert "https://example.org/#winetx" in seen.links


async def test_telegram_when_an_alert_fires_then_its_text_arrives(tmp_path):
    """As HTML that Telegram takes: its own bold title, and everything else as text."""
    (tmp_path / TEMPLATES.name).write_text(TEMPLATES.read_text("utf-8"), "utf-8")
    (tmp_path / "telegram.token").write_text("123:token")
    async with hook() as messages:
        settings = {"api_url": messages.url, "bot_token_file": str(tmp_path / "telegram.token")}
        async with alertmanager(configuration("telegram_configs", settings), tmp_path) as running:
            await running.post(alert("critical"))
            path, sent = await messages.message(lambda path, payload: True)
    assert path == "/bot123:token/sendMessage"
    assert (str(sent["chat_id"]), sent["parse_mode"]) == ("123456789", "HTML")
    title, first, place, *rest = sent["text"].splitlines()
    assert re.findall("<[^>]*>", sent["text"]) == ["<b>", "</b>"]
    assert html.unescape(title) == f"<b>CRITICAL {EVIL}: Etwas ist faul - 21 °C.</b>"
    assert first == "Etwas ist faul - 21 °C."
    assert html.unescape(place).startswith(f"{EVIL}, since ")
    assert html.unescape(rest[0]) == f"At {EVIL} and elsewhere."


def test_receivers_when_the_comments_are_put_in_force_then_each_kind_is_there():
    """What the two tests above and the check of the configuration stand on."""
    receivers = yaml.safe_load(with_receivers())["receivers"]
    assert [set(receiver) - {"name"} for receiver in receivers] == [
        {"webhook_configs", "telegram_configs"},
        {"webhook_configs", "email_configs"},
        {"webhook_configs"},
    ]
    assert [len(receiver["webhook_configs"]) for receiver in receivers] == [1, 1, 2]
