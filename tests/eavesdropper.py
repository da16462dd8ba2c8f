"""Hears every line that the exporter logs in a test run, and knows what must not be in them."""

import json
import logging

from exporter.logs import Logfmt
from exporter.simulator import SimulatedGateway

MOST_LINES = 20_000


class Eavesdropper(logging.Handler):
    """A handler on the root logger that keeps the lines of the exporter and of aiohttp."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.setFormatter(Logfmt())
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.startswith(("exporter", "aiohttp")) and len(self.lines) < MOST_LINES:
            self.lines.append(self.format(record))

    def secrets_of(self, gateway: SimulatedGateway) -> set[str]:
        """The passwords of a gateway that are no public ones, and every token that it gave out."""
        secrets = set(gateway.profile.accounts.values()) - {"pw1111", "pw8888"}
        for event in gateway.log:
            if event.direction == "out" and event.service in ("connect", "login"):
                try:
                    secrets.add(str(json.loads(event.text)["result_data"]["token"]))
                except (ValueError, KeyError, TypeError):
                    pass  # a fault garbled it
        return {secret for secret in secrets if len(secret) > 3}

    def heard(self, secrets: set[str]) -> list[str]:
        return [line for line in self.lines if any(secret in line for secret in secrets)]


EAR = Eavesdropper()
