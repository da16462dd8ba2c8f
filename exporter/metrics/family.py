"""What a metric family is: the one word that the catalogue, the fixed families and the samples share."""

from __future__ import annotations

from dataclasses import dataclass

PREFIX = "winet2_"
DEVICE_LABELS = ("target", "device")


@dataclass(frozen=True, slots=True)
class Family:
    """A metric family: full name, `gauge` or `counter`, HELP, and the label names in order."""

    name: str
    kind: str
    help: str
    labels: tuple[str, ...]
