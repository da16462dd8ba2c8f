"""The gateways of the live test, each with its sun, and an exporter that reads them."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import yaml

from exporter.simulator import SimulatedGateway, accelerated, load_profile
from exporter.simulator.profile import Device, Point, Profile, Value
from tests.commands.running import Running, running

NOON, MIDNIGHT = 12, 0


class Said(dict[str, str]):
    """Values that a gateway is told to say, by key, instead of what its plant has."""

    def of(self, profile: Profile) -> Profile:
        """The profile, its devices' readings under the control of this."""
        return replace(profile, devices=tuple(self._device(device) for device in profile.devices))

    def _device(self, device: Device) -> Device:
        real, battery = (
            points and tuple(replace(point, value=_Told(self, point)) for point in points)
            for points in (device.real, device.real_battery)
        )
        return replace(device, real=real, real_battery=battery)


class _Told(Value):
    """A value that is what was said, and else what it was."""

    __slots__ = ("_honest", "_key", "_said")

    def __init__(self, said: Said, point: Point) -> None:
        super().__init__(point.value.text, point.value.quantity, point.value.decimals, point.value.scale)
        for name, value in (("_said", said), ("_key", point.key), ("_honest", point.value)):
            object.__setattr__(self, name, value)

    def print(self, values: Mapping[str, float], texts: Mapping[str, str]) -> str:
        return self._said.get(self._key) or self._honest.print(values, texts)


@dataclass
class Gateway:
    """A simulated gateway and what the configuration says of it."""

    name: str
    profile: str
    hour: int = NOON
    """The hour that sun and plant show, for the whole of the test."""
    password: str | None = None
    """In the password file; None for the right one."""
    said: Said = field(default_factory=Said)
    simulated: SimulatedGateway = field(init=False)

    def __post_init__(self) -> None:
        profile = self.said.of(load_profile(self.profile))
        start = datetime.now(UTC).replace(hour=self.hour, minute=30, second=0, microsecond=0)
        self.simulated = SimulatedGateway(profile, now=accelerated(start, 1.0))

    @property
    def account(self) -> tuple[str, str]:
        return next(iter(self.simulated.profile.accounts.items()))

    def password_file(self, folder: Path) -> Path:
        return folder / f"{self.name}.password"

    def write_password(self, folder: Path, password: str) -> None:
        path = self.password_file(folder)
        path.touch(mode=0o600)
        path.write_text(password)

    def longitude(self) -> float:
        """Where on the equator the sun stands now as it does at that hour."""
        now = datetime.now(UTC)
        hours = now.hour + now.minute / 60
        return ((self.hour + 0.5 - hours) * 15 + 180) % 360 - 180


def configuration(gateways: list[Gateway], folder: Path) -> str:
    """What a user would write: quick, but within what the exporter allows."""
    credentials, targets = {}, []
    for gateway in gateways:
        simulated = gateway.simulated
        target = {
            "host": f"{simulated.host}:{simulated.port}",
            "name": gateway.name,
            "transport": "wss" if simulated.tls else "ws",
            "http_port": simulated.port,
            "location": {"latitude": 0.0, "longitude": round(gateway.longitude(), 2)},
            "labels": {"site": "home"},
        }
        if simulated.profile.login_required:
            user, right = gateway.account
            gateway.write_password(folder, right if gateway.password is None else gateway.password)
            credentials[gateway.name] = {
                "username": user,
                "password_file": str(gateway.password_file(folder)),
            }
            target["credentials"] = gateway.name
        targets.append(target)
    return yaml.safe_dump(
        {
            "refresh_interval": "5s",
            "request_timeout": "3s",
            "stale_after": "8s",
            "credentials": credentials,
            "targets": targets,
        }
    )


@asynccontextmanager
async def exporter_of(gateways: list[Gateway], folder: Path) -> AsyncIterator[tuple[Running, str]]:
    """The gateways and the exporter that reads them, and its address."""
    async with AsyncExitStack() as stack:
        for gateway in gateways:
            await stack.enter_async_context(gateway.simulated)
        (folder / "winet.yml").write_text(configuration(gateways, folder), "utf-8")
        process = await stack.enter_async_context(
            running(f"--config.file={folder / 'winet.yml'}", "--web.listen-address=127.0.0.1:0")
        )
        yield process, (await process.line(r"addresses=(\S+)"))[1]
