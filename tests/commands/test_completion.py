"""`--print-completion`: the shell knows what the parser knows."""

import asyncio
import subprocess
from pathlib import Path

import pytest

from exporter.cli import COMMANDS, main
from tests.commands.running import run


def completed(script: str, *words: str) -> set[str]:
    """What bash proposes for the last word."""
    spelled = " ".join(f"'{word}'" for word in words)
    asked = (
        f"{script}\nCOMP_WORDS=({spelled}); COMP_CWORD={len(words) - 1}; COMP_LINE='x'\n"
        "_shtab_winet_exporter 2>/dev/null; printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    return set(
        subprocess.run(["bash", "-c", asked], capture_output=True, text=True, check=True).stdout.split()
    )


@pytest.mark.real
async def test_bash_completes_commands_flags_and_files(tmp_path: Path) -> None:
    """Commands, the flags of each, what a flag may hold, and names of files."""
    code, script, log = await run("--print-completion", "bash")
    assert (code, log) == (0, "")
    assert await asyncio.to_thread(completed, script, "winet-exporter", "d") == {
        "demo", "doctor", "discover",
    }  # fmt: skip
    flags = await asyncio.to_thread(completed, script, "winet-exporter", "capture", "--")
    assert {"--output", "--force", "--config.file", "--password-file"} <= flags
    shown = await asyncio.to_thread(completed, script, "winet-exporter", "read", "--transport", "w")
    assert shown == {"wss", "ws"}
    (tmp_path / "roof.json").touch()
    files = await asyncio.to_thread(
        completed, script, "winet-exporter", "simulate", "--replay", f"{tmp_path}/ro"
    )
    assert files == {f"{tmp_path}/roof.json"}


def test_zsh_gets_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """The script for zsh names all of them."""
    with pytest.raises(SystemExit) as end:
        main(["--print-completion=zsh"])
    script = capsys.readouterr().out
    assert end.value.code == 0
    assert script.startswith("#compdef winet-exporter")
    assert all(f"\n      {name})" in script or f"{name}:" in script for name in COMMANDS)


def test_shell_that_is_unknown_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    """The words name those that are known."""
    with pytest.raises(SystemExit) as end:
        main(["--print-completion", "fish"])
    assert end.value.code == 2
    assert "bash" in capsys.readouterr().err
