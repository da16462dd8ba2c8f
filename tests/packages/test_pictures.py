"""The page about the boards: it shows each of them, and tells what can be chosen."""

import json
import re
import struct
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "dashboards.md"
PICTURES = ROOT / "docs" / "pictures"
BOARDS = sorted((ROOT / "grafana" / "dashboards").glob("*.json"))
LARGEST = 250_000  # bytes: they are in the history for good


@pytest.mark.parametrize("path", BOARDS, ids=lambda path: path.stem)
def test_page_when_there_is_a_board_then_its_picture_is_shown(path):
    """A board that is new needs a picture, under its own title."""
    title = json.loads(path.read_text("utf-8"))["title"].removeprefix("WiNet / ")
    name = path.stem.removeprefix("winet-")
    section = PAGE.read_text("utf-8").partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    assert f"![The board {title}](pictures/{name}.png)" in section


def test_pictures_when_they_are_looked_at_then_all_are_of_a_board_and_small():
    """No picture of what is no more, none that is heavy, and each as wide as the screens that it is for."""
    names = {path.stem.removeprefix("winet-") for path in BOARDS}
    files = {path.stem: path.read_bytes() for path in PICTURES.glob("*")}
    assert set(files) == names | {"plant-phone"}
    for name, content in files.items():
        width, height = struct.unpack(">II", content[16:24])
        assert content.startswith(b"\x89PNG")
        assert len(content) < LARGEST, name
        assert width == (390 if name.endswith("-phone") else 1400)
        assert 600 <= height <= 1400, name


@pytest.mark.parametrize("path", BOARDS, ids=lambda path: path.stem)
def test_page_when_something_can_be_chosen_then_it_is_named(path):
    """All variables by the labels that people see."""
    told = PAGE.read_text("utf-8").partition("\n## Variables\n")[2].partition("\n## ")[0]
    cells = re.findall(r"(?m)^\| ([^|]+) \|", told)
    named = {name.strip() for cell in cells for name in cell.split(",")}
    labels = {one["label"] for one in json.loads(path.read_text("utf-8"))["templating"]["list"]}
    assert labels <= named
