"""The benchmarks measure what they say and check what they measure. No test here looks at a time."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import decode, docs
from benchmarks.__main__ import BENCHMARKS, main
from benchmarks.measure import (
    Comparison,
    Incorrect,
    Options,
    Report,
    Row,
    cpu_seconds,
    require,
    resident_kilobytes,
    table,
    take_turns,
)

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| `([^`]+)` \|", re.MULTILINE)  # of a table, its name first
DOCUMENTED = ROW.findall((ROOT / "docs" / "performance.md").read_text("utf-8"))


@pytest.mark.real
@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", BENCHMARKS)
def test_smallest_run_checks_and_writes_rows_that_the_docs_explain(name: str, tmp_path: Path) -> None:
    """Each benchmark does right what it measures, and gives a figure for every row; the docs have each."""
    figures = tmp_path / "figures.json"
    command = [sys.executable, "-m", "benchmarks", "--smallest", "--json", str(figures), name]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    document = json.loads(figures.read_text("utf-8"))
    assert document["smallest"] is True
    assert document["rows"]
    for row in document["rows"]:
        assert row["ours"] >= 0
        assert row["floor"] is None or row["floor"] > 0
        if row["ratio_min"] is not None:
            assert row["ratio_min"] <= row["ratio"] <= row["ratio_max"]
        assert row["floor_is"] or row["floor"] is None
        assert row["name"] in DOCUMENTED, f"docs/performance.md has no row for {row['name']!r}"


def test_docs_name_no_row_that_is_not_measured() -> None:
    """What is in the tables is in the program: a renamed row does not leave its old figures behind."""
    source = "".join(path.read_text("utf-8") for path in sorted((ROOT / "benchmarks").glob("*.py")))
    for name in DOCUMENTED:
        last = name.rpartition(", ")[2].rpartition(" ")[2]
        assert last in source, name


def test_median_is_of_the_ratios_of_neighbouring_rounds() -> None:
    """A slow moment of the computer, which strikes both sides of a round, doesn't move the ratio."""
    row = Comparison([2.0, 20.0, 3.0], [1.0, 10.0, 1.0]).row("x", "ms", 1e-3, 2.5, "because")
    assert (row.ratio, row.ratio_min, row.ratio_max) == (2.0, 2.0, 3.0)
    assert (row.ours, row.floor) == (3000.0, 1000.0)
    assert not row.exceeded


def test_sides_take_turns() -> None:
    """Rounds go A B A B, not all of one side first."""
    order: list[str] = []

    def side(name: str, seconds: float) -> float:
        order.append(name)
        return seconds

    comparison = take_turns(lambda: side("ours", 3.0), lambda: side("floor", 2.0), 3)
    assert order == ["ours", "floor"] * 3
    assert comparison.ratios == [1.5, 1.5, 1.5]


@pytest.mark.parametrize(
    "row, exceeded",
    [
        (Row("x", "ms", 3.0, 1.0, ratio=3.0, limit=2.0), True),
        (Row("x", "ms", 2.0, 1.0, ratio=2.0, limit=2.0), False),
        (Row("x", "kB", 110.0, 100.0, ratio=1.1, limit=8.0, limit_is="excess"), True),
        (Row("x", "kB", 107.0, 100.0, ratio=1.07, limit=8.0, limit_is="excess"), False),
        (Row("x", "%", 0.6, limit=0.5, limit_is="ours"), True),
        (Row("x", "%", 0.4, limit=0.5, limit_is="ours"), False),
        (Row("x", "s", 9.0), False),
        (Row("x", "ms", 9.0, limit=2.0), True),
    ],
)
def test_limit_is_held_against_what_it_is_set_on(row: Row, exceeded: bool) -> None:
    """Ratio, excess and absolute limits each judge their own value; a limit without a value is exceeded."""
    assert row.exceeded is exceeded
    assert row.as_dict()["exceeded"] is exceeded


def test_table_has_a_line_for_each_row() -> None:
    """The table shows figures with their units, the spread of the ratio, the limit and the verdict."""
    rows = [
        Row("one", "ms", 3.0, 1.0, 3.0, 2.5, 3.5, limit=2.0),
        Row("two", "kB", 5000.0, 4000.0, 1.25, limit=8192, limit_is="excess"),
        Row("three", "s", 0.25),
    ]
    cells = [line.split() for line in table(rows).splitlines()]
    assert cells[0] == ["name", "ours", "floor", "ratio", "limit"]
    assert cells[1] == ["one", "3.000", "ms", "1.000", "ms", "3.00", "(2.50-3.50)", "2", "exceeded"]
    assert cells[2] == ["two", "5000", "kB", "4000", "kB", "1.25", "+8192", "kB", "ok"]
    assert cells[3] == ["three", "0.250", "s", "-", "-", "-", "for", "information"]
    assert "exceeded" not in table(rows, smallest=True)


@pytest.mark.parametrize("arguments, code", [(["decode"], 1), (["decode", "--smallest"], 0)])
def test_exit_code_tells_of_an_exceeded_limit(
    arguments: list[str], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An exceeded limit fails a full run and never a smallest one."""
    report = Report((Row("decode", "µs", 9.0, 1.0, 9.0, 9.0, 9.0, limit=4.0),))
    monkeypatch.setattr("benchmarks.__main__.BENCHMARKS", {"decode": lambda options: report})
    assert main(arguments) == code


def test_wrong_result_fails_even_the_smallest_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What doesn't do its work has no figures."""

    def broken(options: Options) -> Report:
        require(False, "two and two are five")
        return Report(())

    monkeypatch.setattr("benchmarks.__main__.BENCHMARKS", {"decode": broken})
    assert main(["--smallest"]) == 2
    assert capsys.readouterr().err == "decode: it does not hold that two and two are five\n"


def test_decode_refuses_figures_for_lost_readings(monkeypatch: pytest.MonkeyPatch) -> None:
    """A decoder that drops readings is not fast but wrong."""
    monkeypatch.setattr(decode, "decode", lambda text: None)
    with pytest.raises(Incorrect, match="all 60 readings"):
        decode.run(Options(smallest=True))


def test_unknown_name_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    """A misspelt benchmark is named, and nothing runs."""
    with pytest.raises(SystemExit) as error:
        main(["decoed"])
    assert error.value.code == 2
    assert "'decoed'" in capsys.readouterr().err


def test_process_is_seen_from_outside() -> None:
    """CPU time and memory of a process are read from the kernel: this one has used some of both."""
    assert 0 < cpu_seconds(os.getpid()) <= sum(os.times()[:2]) + 1
    assert resident_kilobytes(os.getpid()) > 1000


def test_figures_are_written_into_the_rows_of_the_page() -> None:
    """A run replaces the figures of what it measured and nothing else."""
    page = (
        "Measured on a Monday.\n\n| row | ours |\n|---|---|\n| `one` | 9 | | | |\n| `one, two` | 8 | | | |\n"
    )
    rows = [Row("one", "ms", 3.0, 1.0, 3.0, 2.5, 3.5, limit=4.0), Row("three", "s", 1.0)]
    lines = docs.written(page, rows).splitlines()
    assert lines[0] == docs.machine()
    assert lines[0].startswith("Measured on 20")
    assert lines[4:] == ["| `one` | 3.000 ms | 1.000 ms | 3.00 (2.50-3.50) | 4 |", "| `one, two` | 8 | | | |"]


def test_page_tells_which_rows_are_above_their_limit() -> None:
    """Nobody has to compare two columns for that, of which one is sometimes a sum."""
    ratio = Row("one", "ms", 3.0, 1.0, 3.0, 2.5, 3.5, limit=2.0)
    excess = Row("two", "kB", 137.0, 53.0, 137 / 53, limit=80.0, limit_is="excess")
    assert docs.line(ratio) == "| `one` | 3.000 ms | 1.000 ms | 3.00 (2.50-3.50) | 2 (exceeded) |"
    assert docs.line(excess) == "| `two` | 137.0 kB | 53.000 kB | 2.58 | +80 kB (exceeded) |"
    assert docs.line(Row("three", "s", 9.0)) == "| `three` | 9.000 s | - | - | - |"
