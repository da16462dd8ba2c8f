"""Where the time and the memory went: lines for people, shown with `--profile`."""

from __future__ import annotations

import cProfile
import os
import pstats
import subprocess
import sys
from pathlib import Path

MOST_LINES = 15
SMALLEST_SHOWN = 64  # kB of an import


def busiest_functions(profiler: cProfile.Profile) -> list[str]:
    """The functions that took most of the time themselves. cProfile makes small functions look dearer."""
    profile = pstats.Stats(profiler).get_stats_profile()
    total = profile.total_tt or 1.0
    entries = sorted(profile.func_profiles.items(), key=lambda entry: -entry[1].tottime)[:MOST_LINES]
    return ["of the profiled time:"] + [
        f"  {entry.tottime / total:6.1%}  {name}  {_place(entry)}  called {entry.ncalls} times"
        for name, entry in entries
    ]


def _place(entry: pstats.FunctionProfile) -> str:
    if not entry.line_number:
        return ""
    return f"{Path(*Path(entry.file_name).parts[-2:])}:{entry.line_number}"


def imports_by_memory(before: str, module: str) -> list[str]:
    """What each import adds to the memory in RAM, beyond the statement `before`, in the order of loading."""
    order = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", f"import {module}"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    names = [line.rpartition("|")[2].strip() for line in order.stderr.splitlines() if "|" in line][1:]
    script = (
        f"import importlib, os, sys\n{before}\n"
        "def resident():\n"
        "    return int(open('/proc/self/statm').read().split()[1]) * os.sysconf('SC_PAGESIZE') // 1024\n"
        "for name in sys.stdin.read().split():\n"
        "    if name in sys.modules: continue\n"
        "    held = resident()\n"
        "    try: importlib.import_module(name)\n"
        "    except ImportError: continue\n"
        "    print(resident() - held, name)\n"
    )
    child = subprocess.run(
        [sys.executable, "-c", script],
        input="\n".join(names), capture_output=True, text=True, check=True, env=os.environ,
    )  # fmt: skip
    added = [(int(size), name) for size, name in (line.split() for line in child.stdout.splitlines())]
    largest = sorted(added, reverse=True)[:MOST_LINES]
    return [f"imports of {module} add {sum(size for size, _ in added)} kB to the floor's:"] + [
        f"  {size:6} kB  {name}" for size, name in largest if size >= SMALLEST_SHOWN
    ]
