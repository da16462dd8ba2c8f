"""The example files that these tests are about, and what tests make of them."""

import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import exporter
from tests.alerting.faster import faster_routes
from tests.prometheus import tool

EXAMPLES = Path(exporter.__file__).parent.parent / "examples"
ROUTES = EXAMPLES / "alertmanager" / "alertmanager.yml"
TEMPLATES = EXAMPLES / "alertmanager" / "winet.tmpl"
RULES = EXAMPLES / "prometheus" / "rules"
ALERTS = RULES / "winet-alerts.yml"
FASTER = 60
DAY, NIGHT = 12, 2  # hours


def with_receivers() -> str:
    """The example's routes with the receivers of its comments beside its own."""
    text = ROUTES.read_text("utf-8")
    return re.sub(r"(?m)^    # ((?: {4})?(?:\w+_configs:|  ).*)$", r"    \1", text)


def has_token_file() -> bool:
    """Whether the installed Alertmanager takes a file for Telegram's token; 0.25 does not."""
    said = subprocess.run([tool("amtool"), "--version"], capture_output=True, text=True, check=True)
    return not re.search(r"version 0\.25\.", said.stdout + said.stderr)


def zone(hour: int) -> str:
    """A time zone where it is that hour now."""
    # POSIX signs: Etc/GMT-3 is three hours ahead
    ahead = (hour - datetime.now(UTC).hour + 11) % 24 - 11
    return f"Etc/GMT{-ahead:+d}" if ahead else "Etc/GMT"


def routes(url: str, hour: int) -> str:
    """The example's routes to a hook at `url`, in a time zone where it is that hour now."""

    def change(document: dict[str, Any]) -> None:
        for interval in document["time_intervals"]:
            for times in interval["time_intervals"]:
                times["location"] = zone(hour)
        for receiver in document["receivers"]:
            for webhook in receiver["webhook_configs"]:
                webhook["url"] = f"{url}/{receiver['name']}"

    return faster_routes(ROUTES.read_text("utf-8"), FASTER, change)
