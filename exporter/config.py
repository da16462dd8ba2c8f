"""The configuration file: YAML in, frozen values out, or every mistake at once.

`dataclasses_json` decodes what the strict check has let through; alone it would make 1 of 1.7, True of
"false" and drop unknown keys.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dataclasses_json import DataClassJsonMixin, config

from exporter import config_check, config_target
from exporter.strict_yaml import Document, Mistake
from exporter.telemetry import Location, OwnDevice

LONGEST_PASSWORD = 4096  # bytes
OTHERS = 0o077  # rights of the group and of everybody
EVERYBODY = 0o007
ENVIRONMENT = "environment (WINET_…)"


class ConfigError(Exception):
    """The configuration cannot be used. `mistakes` names every one, with its path and the remedy."""

    def __init__(self, source: str, mistakes: list[Mistake]) -> None:
        many = "one mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
        self.source = source
        self.mistakes = tuple(sorted(mistakes, key=lambda mistake: mistake.line))
        super().__init__("\n".join([f"{source}: {many}", *(f"  {mistake}" for mistake in self.mistakes)]))


class Secret:
    """Text that no log, page or traceback shows: `str` and `repr` hide it, `reveal()` does not."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "<secret>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


@dataclass(frozen=True, kw_only=True)
class Credentials(DataClassJsonMixin):
    """One account. Exactly one of the three sources of the password is given."""

    username: str
    password: Secret | None = field(default=None, metadata=config(decoder=Secret, encoder=repr))
    password_file: str | None = None
    password_env: str | None = None

    def read_password(self) -> str:
        """The password as it is now; reads the file anew. Raises `ValueError` naming the missing source."""
        if self.password is not None:
            return self.password.reveal()
        if self.password_env is not None:
            value = os.environ.get(self.password_env, "")
            if not value:
                raise ValueError(f"the environment variable {self.password_env} is not set")
            return value
        path = Path(self.password_file or "")
        try:
            if path.exists() and not path.is_file():
                raise ValueError(f"the password file {self.password_file} is no regular file")
            with path.open("rb") as file:
                text = file.read(LONGEST_PASSWORD).decode("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
            raise ValueError(f"cannot read the password file {self.password_file}: {reason}") from None
        password = text.rstrip("\r\n")
        if not password:
            raise ValueError(f"the password file {self.password_file} is empty")
        return password


@dataclass(frozen=True, kw_only=True)
class Target(DataClassJsonMixin):
    """One gateway as the user named it. Durations in seconds; `port` None means 443 and 8082.

    `transport` is auto (TLS first, plain only where TLS is refused), wss or ws; `verify` is bypass,
    pinned (by `fingerprints`, 64 lower-case hex digits each) or strict (by `ca_file` or the system's store).
    `http_port` is that of a plain gateway's pages; with TLS they are beside the WebSocket. `timezone` None
    is the system's. `devices` are known by their serial number.
    """

    host: str
    name: str
    port: int | None = None
    credentials: Credentials | None = None
    transport: str = "auto"
    verify: str = "bypass"
    fingerprints: tuple[str, ...] = ()
    ca_file: str | None = None
    pipeline: bool = False
    compression: bool = False
    http_port: int = config_target.HTTP_PORT
    devices: Mapping[str, OwnDevice] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    refresh_interval: float = config_target.REFRESH_INTERVAL
    request_timeout: float = config_target.REQUEST_TIMEOUT
    stale_after: float = config_target.default_stale_after(
        config_target.REFRESH_INTERVAL, config_target.REQUEST_TIMEOUT
    )
    yield_for: float = config_target.YIELD_FOR
    max_unmapped: int = config_target.MAX_UNMAPPED
    gateway_services: bool = True
    timezone: str | None = None
    location: Location | None = None


@dataclass(frozen=True, kw_only=True)
class Probe(DataClassJsonMixin):
    """Which addresses may be read through /probe, and how: `target` is the pattern of each.

    `allow` are networks. A session that nobody asked for in `idle_timeout` seconds is closed.
    """

    target: Target
    allow: tuple[str, ...] = ()
    ports: tuple[int, ...] = (443, 8082)
    idle_timeout: float = config_check.IDLE_TIMEOUT
    max_sessions: int = config_check.MOST_PROBED


@dataclass(frozen=True, kw_only=True)
class Config(DataClassJsonMixin):
    """All targets, files of own catalogue entries, and in `warnings` what is allowed but unwise.

    `target_files` are patterns of files that name more targets. `accounts` and `settings` are what those
    may refer to: the checked credentials by name, and what holds for every target.
    """

    targets: tuple[Target, ...]
    catalogue_files: tuple[str, ...] = ()
    target_files: tuple[str, ...] = ()
    probe: Probe | None = None
    accounts: Mapping[str, Credentials] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict, repr=False)
    warnings: tuple[str, ...] = ()


def load(path: Path) -> Config:
    """Read a configuration file. Raises `ConfigError` with every mistake in it. Blocks."""
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise ConfigError(str(path), [Mistake("", f"cannot be read: {error.strerror}", 0)]) from None
    except UnicodeDecodeError:
        raise ConfigError(str(path), [Mistake("", "is not UTF-8 text", 0)]) from None
    settings = parse(text, source=str(path), folder=path.absolute().parent)
    missing = _missing(settings)
    if missing:
        raise ConfigError(str(path), missing)
    unwise = [f"the environment variable {name} is not set" for name in _unset_variables(settings)]
    unwise += _open_files(settings)
    return replace(settings, warnings=(*settings.warnings, *unwise)) if unwise else settings


def _dialled(settings: Config) -> tuple[Target, ...]:
    """All targets, and the pattern of those that may be probed."""
    return settings.targets if settings.probe is None else (*settings.targets, settings.probe.target)


def _missing(settings: Config) -> list[Mistake]:
    """The files that the configuration names and that cannot be read; each once.

    Every account's, for a target file may name it at any time.
    """
    found: dict[str, Mistake] = {}
    for account in settings.accounts.values():
        if account.password_file is not None:
            try:
                account.read_password()
            except ValueError as error:
                found[account.password_file] = Mistake("password_file", str(error), 0)
    for target in _dialled(settings):
        if target.ca_file is not None and not os.access(target.ca_file, os.R_OK):
            found[target.ca_file] = Mistake("ca_file", f"cannot read {target.ca_file}", 0)
    return list(found.values())


def _unset_variables(settings: Config) -> list[str]:
    names = {account.password_env for account in settings.accounts.values() if account.password_env}
    return sorted(name for name in names if not os.environ.get(name))


def _open_files(settings: Config) -> list[str]:
    """Warnings of password files that somebody has a right to who need not have it.

    A file of another owner, such as root's in a secret of Kubernetes or beside a systemd unit, can only be
    had by its group. A group other than the one that files get by themselves was chosen for somebody who
    needs it: so root sees what it has made for a service.
    """
    found = set()
    for account in settings.accounts.values():
        if account.password_file is not None:
            with contextlib.suppress(OSError):  # gone since it was read: told of at the next login
                status = Path(account.password_file).stat()
                ours = (status.st_uid, status.st_gid) == (os.geteuid(), os.getegid())
                who, remedy = ("others", "chmod 600") if ours else ("everybody", "chmod o=")
                if status.st_mode & (OTHERS if ours else EVERYBODY):
                    name = account.password_file
                    found.add(f"the password file {name} may be read by {who}; {remedy} {name}")
    return sorted(found)


def parse(text: str, *, source: str, folder: Path) -> Config:
    """Turn YAML text into a configuration; relative paths in it start at `folder`."""
    document = Document(text)
    checked = config_check.check(document, folder) if not document.mistakes else {}
    if document.mistakes:
        raise ConfigError(source, document.mistakes)
    return Config.from_dict(checked)


def from_environment(environ: Mapping[str, str]) -> Config | None:
    """The one target that WINET_HOST and its fellows describe; None without WINET_HOST."""
    if not environ.get("WINET_HOST"):
        return None
    target: dict[str, Any] = {"host": environ["WINET_HOST"]}
    raw: dict[str, Any] = {"targets": [target]}
    if "WINET_REFRESH_INTERVAL" in environ:
        raw["refresh_interval"] = environ["WINET_REFRESH_INTERVAL"]
    if environ.get("WINET_USERNAME"):
        account: dict[str, Any] = {"username": environ["WINET_USERNAME"]}
        if environ.get("WINET_PASSWORD_FILE"):
            account["password_file"] = environ["WINET_PASSWORD_FILE"]
        else:
            account["password_env"] = "WINET_PASSWORD"
        raw["credentials"] = {"default": account}
        target["credentials"] = "default"
    document = Document("")
    document.value = raw
    checked = config_check.check(document, Path.cwd())
    for variable in ("WINET_PASSWORD", "WINET_PASSWORD_FILE"):
        if environ.get(variable) and not environ.get("WINET_USERNAME"):
            document.add(variable, "is set without WINET_USERNAME; set both or neither")
    if environ.get("WINET_USERNAME") and not (
        environ.get("WINET_PASSWORD") or environ.get("WINET_PASSWORD_FILE")
    ):
        document.add(
            "WINET_USERNAME", "is set without WINET_PASSWORD or WINET_PASSWORD_FILE; set both or neither"
        )
    if document.mistakes:
        raise ConfigError(ENVIRONMENT, document.mistakes)
    settings = Config.from_dict(checked)
    if missing := _missing(settings):
        raise ConfigError(ENVIRONMENT, [mistake._replace(path="WINET_PASSWORD_FILE") for mistake in missing])
    return replace(settings, warnings=(*settings.warnings, *_open_files(settings)))
