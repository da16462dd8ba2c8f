"""`python -m benchmarks`: run the benchmarks and print one table."""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from benchmarks import decode, docs, idle, refresh, scale, scrape
from benchmarks.measure import Incorrect, Options, Report, Row, compiled, table

BENCHMARKS: Mapping[str, Callable[[Options], Report]] = {
    "decode": decode.run,
    "refresh": refresh.run,
    "scrape": scrape.run,
    "idle": idle.run,
    "scale": scale.run,
}


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="What the exporter costs, against floors measured in the same run. "
        "Exit code: 0 all is well, 1 a limit is exceeded, 2 something does not work.",
    )
    parser.add_argument("names", metavar="NAME", nargs="*", help=f"some of {', '.join(BENCHMARKS)}")
    parser.add_argument("--smallest", action="store_true", help="check only that each one works")
    parser.add_argument("--all", action="store_true", help="with fleets of other sizes: takes half an hour")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the figures to a file as well")
    parser.add_argument("--docs", action="store_true", help="write the figures into docs/performance.md")
    parser.add_argument("--profile", action="store_true", help="tell what the time and the memory go into")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    parser = make_parser()
    arguments = parser.parse_args(argv)
    unknown = [name for name in arguments.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"there is no benchmark {unknown[0]!r}; there are: {', '.join(BENCHMARKS)}")
    options = Options(smallest=arguments.smallest, profile=arguments.profile, all=arguments.all)
    if not options.smallest and not compiled():
        print("the exporter cannot be compiled into its own folder", file=sys.stderr)
        return 2
    rows: list[Row] = []
    for name in arguments.names or BENCHMARKS:
        try:
            report = BENCHMARKS[name](options)
        except Incorrect as error:
            print(f"{name}: {error}", file=sys.stderr)
            return 2
        rows += report.rows
        print(*(f"{name}: {note}" for note in report.notes), sep="\n", flush=True)
    print("", *(f"{row.name}, floor: {row.floor_is}" for row in rows if row.floor_is), sep="\n")
    print("", table(rows, smallest=options.smallest), sep="\n")
    if arguments.json is not None:
        document = {
            "python": platform.python_version(),
            "smallest": options.smallest,
            "rows": [row.as_dict() for row in rows],
        }
        arguments.json.write_text(json.dumps(document, indent=2) + "\n", "utf-8")
    if arguments.docs:
        docs.PAGE.write_text(docs.written(docs.PAGE.read_text("utf-8"), rows), "utf-8")
    return int(not options.smallest and any(row.exceeded for row in rows))


if __name__ == "__main__":
    sys.exit(main())
