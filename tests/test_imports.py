"""The house's rooms: what may import what, read from the source itself."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import exporter
from benchmarks.idle import PLAIN_DEPENDENCIES, PROGRAM

ROOT = Path(exporter.__file__).parent.parent
MODULES = sorted((ROOT / "exporter").rglob("*.py"))


def name_of(path: Path) -> str:
    """`exporter/winet/tls.py` is `exporter.winet.tls`, a package is its folder."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(source: str, module: str, *, package: bool = False) -> set[str]:
    """Everything a module imports, wherever in it; `from a import b` counts as `a` and `a.b`."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = module.split(".")
                above = above[: len(above) - node.level + package]
                base = ".".join([*above, base] if base else above)
            found.add(base)
            found |= {f"{base}.{alias.name}" for alias in node.names}
    return found


def called(source: str) -> set[str]:
    """The last names of all calls: `asyncio.create_task(…)` is `create_task`."""
    calls = (node.func for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    return {
        call.attr if isinstance(call, ast.Attribute) else call.id
        for call in calls
        if isinstance(call, ast.Attribute | ast.Name)
    }


IMPORTS = {
    name_of(path): imported(path.read_text("utf-8"), name_of(path), package=path.stem == "__init__")
    for path in MODULES
}
CALLS = {name_of(path): called(path.read_text("utf-8")) for path in MODULES}


def within(name: str, *rooms: str) -> bool:
    return any(name == room or name.startswith(f"{room}.") for room in rooms)


def modules(*rooms: str) -> list[str]:
    found = [module for module in IMPORTS if within(module, *rooms)]
    assert found, f"no module in {rooms}"
    return found


def breaches(room: str, *forbidden: str) -> list[str]:
    """Every import in a room that is none of its business."""
    return [
        f"{module} imports {name}"
        for module in modules(room)
        for name in sorted(IMPORTS[module])
        if within(name, *forbidden)
    ]


@pytest.mark.parametrize(
    "room, forbidden",
    [
        (
            "exporter.winet",
            ["prometheus_client", "aiohttp.web", "exporter.metrics", "exporter.web", "exporter.commands",
             "exporter.simulator", "exporter.cli"],
        ),
        (
            "exporter.metrics",
            ["asyncio", "aiohttp", "socket", "ssl", "exporter.winet", "exporter.web", "exporter.commands",
             "exporter.simulator", "exporter.cli", "exporter.config"],
        ),
        ("exporter.web", ["exporter.winet", "exporter.commands", "exporter.simulator", "exporter.cli"]),
        ("exporter.config", ["exporter.winet", "exporter.metrics", "exporter.web", "exporter.commands"]),
        ("exporter.config_target", ["exporter.winet", "exporter.metrics", "exporter.web", "exporter.cli"]),
        ("exporter.targets", ["exporter.winet", "exporter.metrics", "exporter.web", "asyncio"]),
        ("exporter.config_check", ["exporter.winet", "exporter.metrics", "exporter.web", "exporter.cli"]),
        ("exporter.strict_yaml", ["exporter"]),
        ("exporter.logs", ["exporter"]),
    ],
)  # fmt: skip
def test_imports_when_a_room_is_read_then_it_keeps_to_its_own(room, forbidden):
    """The halves know nothing of each other."""
    assert breaches(room, *forbidden) == []


def test_imports_when_the_seam_is_read_then_it_is_the_standard_library_only():
    """`telemetry` can be understood by itself."""
    standard = {"__future__", "collections", "dataclasses", "enum", "typing"}
    assert {name.split(".")[0] for name in IMPORTS["exporter.telemetry"]} <= standard


def test_imports_when_the_simulator_is_read_then_it_shares_nothing_with_the_exporter():
    """A mistake that both ends share would cancel out."""
    foreign = [
        f"{module} imports {name}"
        for module in modules("exporter.simulator")
        for name in sorted(IMPORTS[module])
        if within(name, "exporter") and not within(name, "exporter.simulator") and name != "exporter"
    ]
    assert foreign == []


def test_imports_when_commands_are_read_then_only_the_command_line_imports_them():
    """Commands wire the rooms together; no room knows a command."""
    others = [module for module in IMPORTS if not within(module, "exporter.commands", "exporter.cli")]
    assert [
        module for module in others if any(within(name, "exporter.commands") for name in IMPORTS[module])
    ] == []


def test_imports_when_the_command_line_is_read_then_only_main_imports_it():
    """`cli` is the top."""
    importers = [module for module, names in IMPORTS.items() if any(within(n, "exporter.cli") for n in names)]
    assert importers == ["exporter.__main__"]


def test_imports_when_they_are_made_by_name_then_only_in_the_command_line():
    """An import that no reader can see would get around these tests."""
    hidden = {"import_module", "__import__", "exec", "eval"}
    assert [module for module, calls in CALLS.items() if calls & hidden] == ["exporter.cli"]


def test_tasks_when_they_are_made_then_only_by_the_pool_and_the_server():
    """Whoever makes a task has to hold, cancel and await it; `discover` asks many addresses at once, in a
    group that ends with it."""
    makers = {"create_task", "ensure_future", "TaskGroup", "gather", "run_coroutine_threadsafe"}
    found = [module for module, calls in CALLS.items() if calls & makers]
    assert sorted(module for module in found if not within(module, "exporter.simulator")) == [
        "exporter.commands.discover",
        "exporter.web.server",  # its cleanup context: what runs for as long as the server does
        "exporter.winet.pool",
    ]


def test_modules_when_listed_then_all_rooms_are_there():
    """A test that looks at nothing would always pass."""
    rooms = ("winet", "metrics", "web", "simulator", "commands")
    assert [len(modules(f"exporter.{room}")) > 1 for room in rooms] == [True] * len(rooms)


# The reader itself -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "source, name",
    [
        ("import aiohttp.web", "aiohttp.web"),
        ("import aiohttp.web as w", "aiohttp.web"),
        ("from aiohttp import web", "aiohttp.web"),
        ("from aiohttp import web as w", "aiohttp.web"),
        ("from aiohttp.web import Response", "aiohttp.web"),
        ("from ..metrics import units", "exporter.metrics.units"),
        ("from .. import metrics", "exporter.metrics"),
        ("from . import tls", "exporter.winet.tls"),
        ("from .tls import spell", "exporter.winet.tls"),
        ("def f():\n    import asyncio", "asyncio"),
        ("if True:\n    from exporter import metrics", "exporter.metrics"),
    ],
)
def test_imported_when_it_is_spelled_in_any_way_then_it_is_found(source, name):
    """Every spelling of an import is seen."""
    assert name in imported(source, "exporter.winet.session")


def test_imported_when_a_package_imports_relatively_then_the_package_is_the_base():
    """`from . import x` in `winet/__init__.py` is `exporter.winet.x`."""
    assert "exporter.winet.tls" in imported("from . import tls", "exporter.winet", package=True)


@pytest.mark.parametrize("source", ["asyncio.create_task(x)", "create_task(x)", "loop.create_task(x)",
                                    "async def f():\n    y = [asyncio.create_task(x)]"])  # fmt: skip
def test_called_when_a_task_is_made_in_any_way_then_it_is_found(source):
    """Every spelling of a call is seen."""
    assert "create_task" in called(source)


@pytest.mark.real
def test_serve_when_it_is_imported_then_what_most_exporters_do_without_is_not_loaded():
    """A small board has little time and memory for TLS, passwords, the sun, pages and other commands."""
    unwanted = {
        "cryptography", "bcrypt", "ephem", "shtab", "exporter.web.security", "exporter.web.web_config",
        "exporter.web.status_pages", "exporter.web.page", "exporter.web.status", "exporter.simulator",
        "exporter.winet.recording",
    }  # fmt: skip
    assert loaded("import exporter.cli, exporter.commands.serve") & unwanted == set()


@pytest.mark.real
def test_serve_when_its_import_is_measured_then_the_floor_is_all_it_needs_of_others_and_no_more():
    """A floor that imports what `serve` does not would make the program look cheaper than it is."""
    ours, floor = loaded(PROGRAM), loaded(PLAIN_DEPENDENCIES)
    assert floor - ours == set()
    foreign = {name.partition(".")[0] for name in ours - floor} - sys.stdlib_module_names
    assert foreign == {"exporter"}


def loaded(statement: str) -> set[str]:
    """The modules in a Python of its own after this statement."""
    code = f"{statement}\nimport sys\nprint(*sys.modules)"
    command = [sys.executable, "-c", code]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
