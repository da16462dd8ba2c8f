"""The image as it is built, run by a container engine as carefully as the examples do."""

import json
import os
import re
import shlex
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

import exporter

# The engine's command with its flags, such as `docker`, and the image's name; image.sh makes both.
ENGINE = shlex.split(os.environ.get("WINET_ENGINE", ""))
IMAGE = os.environ.get("WINET_IMAGE", "")

USER = 65532
PATIENCE = "5"  # seconds from SIGTERM to SIGKILL
CONFINED = (
    "--read-only",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
    "--network=none",  # there is a loopback interface in it, and nothing else
    "--ulimit=nofile=1024:1024",
    "--ulimit=nproc=1024:1024",
)
METRICS = (
    "import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:10182/metrics').read().decode())"
)

pytestmark = [
    pytest.mark.packages,
    pytest.mark.skipif(
        not ENGINE or not IMAGE, reason="WINET_ENGINE and WINET_IMAGE name no engine and image"
    ),
    pytest.mark.timeout(180),
]


def engine(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*ENGINE, *words], capture_output=True, text=True, check=False)


class Container:
    """One container of the image, confined; gone in the end, with the volume of its name for its state."""

    def __init__(self, *words: str, flags: tuple[str, ...] = (), stateful: bool = False) -> None:
        self.name = f"winet-test-{uuid.uuid4().hex[:12]}"
        if stateful:
            flags = (*flags, f"--volume={self.name}:/var/lib/winet-exporter")
        # podman puts writable file systems on /tmp and the like unless told not to; docker does not
        confined = (*CONFINED, "--read-only-tmpfs=false") if "podman" in ENGINE[0] else CONFINED
        started = engine("run", "--detach", f"--name={self.name}", *confined, *flags, IMAGE, *words)
        assert started.returncode == 0, started.stderr

    def until_logged(self, pattern: str) -> str:
        """Wait for a line of the log; the test's own time limit ends it."""
        seen = []
        with subprocess.Popen(
            [*ENGINE, "logs", "--follow", self.name],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        ) as process:  # fmt: skip
            assert process.stdout is not None
            for line in process.stdout:
                seen.append(line)
                if re.search(pattern, line):
                    process.kill()
                    return line
        raise AssertionError(f"it ended without {pattern!r}:\n{''.join(seen)}")

    def log(self) -> str:
        answer = engine("logs", self.name)
        return answer.stdout + answer.stderr

    def run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """A command beside the exporter, with the rights that it has."""
        return engine("exec", self.name, *words)

    def stop(self) -> int:
        """SIGTERM, and SIGKILL once patience is gone, which is exit code 137."""
        engine("stop", f"--time={PATIENCE}", self.name)
        return self.wait()

    def wait(self) -> int:
        return int(engine("wait", self.name).stdout)

    def remove(self) -> None:
        engine("rm", "--force", "--volumes", self.name)
        engine("volume", "rm", "--force", self.name)


@pytest.fixture
def start() -> "Iterator[type[Container]]":
    """Makes containers that are removed after the test."""
    made: list[Container] = []

    class Kept(Container):
        def __init__(self, *words: str, flags: tuple[str, ...] = (), stateful: bool = False) -> None:
            made.append(self)
            super().__init__(*words, flags=flags, stateful=stateful)

    yield Kept
    for container in made:
        container.remove()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder to be mounted: pytest's own may be entered by nobody else."""
    place = tmp_path / "winet"
    place.mkdir(mode=0o755)
    return place


def mounted(folder: Path) -> tuple[str, ...]:
    return (f"--volume={folder}:/etc/winet-exporter:ro",)


def own(path: Path, mode: int, owner: int = USER, group: int = USER) -> None:
    os.chown(path, owner, group)
    path.chmod(mode)


def facts() -> dict[str, object]:
    (image,) = json.loads(engine("image", "inspect", IMAGE).stdout)
    return dict(image["Config"])


def health_command() -> list[str]:
    """The image's own health check, as an engine runs it."""
    (image,) = json.loads(engine("image", "inspect", IMAGE).stdout)
    check = image["Config"].get("Healthcheck") or image["Healthcheck"]
    assert check["Test"][0] == "CMD"
    return list(check["Test"][1:])


def test_image_when_it_is_looked_at_then_it_has_no_root_and_says_what_it_is():
    """The user is a number, so that Kubernetes can tell; port, licence and revision are written down."""
    config = facts()
    assert config["User"] == f"{USER}:{USER}"
    assert list(config["ExposedPorts"]) == ["10182/tcp"]
    labels = config["Labels"]
    assert labels["org.opencontainers.image.licenses"] == "MIT"
    assert labels["org.opencontainers.image.version"] == "test"
    assert re.fullmatch(r"[0-9a-f]{40}", labels["org.opencontainers.image.revision"])


def test_image_when_installers_are_sought_then_there_is_none(start):
    """Neither pip nor a compiler is shipped, and the version is that of the source."""
    container = start("demo", flags=("--tmpfs=/tmp",))
    container.until_logged("Ctrl-C")
    assert container.run("python", "-c", "import pip").returncode == 1
    assert container.run("sh", "-c", "command -v gcc cc pip").returncode != 0
    assert f"version {exporter.__version__} " in container.run("winet-exporter", "--version").stdout


def test_demo_when_it_runs_confined_then_every_gateway_is_up_and_it_is_healthy(start):
    """Without hardware, configuration, rights or a disk to write to."""
    container = start("demo", flags=("--tmpfs=/tmp",))
    container.until_logged("Ctrl-C")
    up: list[str] = []
    while len(up) < 3:
        text = container.run("python", "-c", METRICS).stdout
        up = re.findall(r'^winet2_up\{target="(\w+)"\} 1\.0$', text, re.MULTILINE)
    assert sorted(up) == ["farm", "garage", "house"]
    assert container.run(*health_command()).returncode == 0
    assert container.run("winet-exporter", "healthcheck").returncode == 0, "as Kubernetes' probes have it"
    if "podman" in ENGINE[0]:
        assert engine("healthcheck", "run", container.name).returncode == 0
    assert container.run("sh", "-c", "id -u; id -g").stdout.split() == [str(USER), str(USER)]
    assert container.run("touch", "/opt/venv/new").returncode != 0
    status = container.run("cat", "/proc/1/status").stdout
    assert re.findall(r"^(?:CapEff|NoNewPrivs):\t(\w+)$", status, re.MULTILINE) == ["0" * 16, "1"]
    assert container.stop() == 0
    assert "Traceback" not in container.log()


def test_serve_when_it_has_its_own_files_then_it_reloads_on_hup_and_ends_on_term(start, folder):
    """A password that only its user may read, and a volume for its state; a HUP from `exec` reloads."""
    (folder / "winet.password").write_text("swordfish")
    own(folder / "winet.password", 0o400)
    (folder / "winet.yml").write_text(
        "credentials: {a: {username: user, password_file: winet.password}}\n"
        "targets: [{host: 127.0.0.1, name: roof, credentials: a}]\n"
    )
    container = start(
        "--config.file=/etc/winet-exporter/winet.yml", "--storage.path=/var/lib/winet-exporter",
        flags=mounted(folder), stateful=True,
    )  # fmt: skip
    container.until_logged("listening")
    assert container.run(*health_command()).returncode == 0
    (folder / "winet.yml").write_text("targets: [{host: 127.0.0.1, name: barn}]\n")
    assert container.run("sh", "-c", "kill -HUP 1").returncode == 0
    container.until_logged("reloaded")
    text = container.run("python", "-c", METRICS).stdout
    assert re.findall(r'^winet2_up\{target="(\w+)"\}', text, re.MULTILINE) == ["barn"]
    assert container.run("sh", "-c", ": >/var/lib/winet-exporter/new").returncode == 0
    assert container.stop() == 0
    assert "swordfish" not in container.log()
    assert "warning" not in container.log()


def test_serve_when_the_password_comes_as_kubernetes_mounts_it_then_it_is_read_without_a_warning(
    start, folder
):
    """Owned by root, readable by the pod's group: the only way in which such a volume can be read."""
    (folder / "winet.password").write_text("swordfish")
    own(folder / "winet.password", 0o440, owner=0)
    (folder / "winet.yml").write_text(
        "credentials: {a: {username: user, password_file: winet.password}}\n"
        "targets: [{host: 127.0.0.1, credentials: a}]\n"
    )
    container = start(flags=mounted(folder))
    container.until_logged("listening")
    assert container.stop() == 0
    assert "warning" not in container.log()


def test_health_check_when_the_exporter_demands_certificates_then_it_is_alive(start, folder):
    """TLS, a client certificate and a password stand before every page; the check needs none of them."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(folder / "both.pem")
    own(folder / "both.pem", 0o400)
    (folder / "web.yml").write_text(
        "tls_server_config: {cert_file: both.pem, key_file: both.pem, client_ca_file: ca.pem,"
        " client_auth_type: RequireAndVerifyClientCert}\n"
    )
    (folder / "winet.yml").write_text("targets: [{host: 127.0.0.1}]\n")
    container = start(
        "--config.file=/etc/winet-exporter/winet.yml", "--web.config.file=/etc/winet-exporter/web.yml",
        flags=mounted(folder),
    )  # fmt: skip
    container.until_logged("listening")
    *command, check = health_command()
    assert check == "healthcheck"
    assert container.run(*command, check, "https://127.0.0.1:10182/-/healthy").returncode == 0
    assert container.run(*command, check).returncode == 1, (
        "plain HTTP is not answered: the URL has to be given"
    )


def test_health_check_when_nobody_listens_then_it_fails(start):
    """What the image is asked is whether its own port answers."""
    container = start("demo", "--web.listen-address=127.0.0.1:10183", flags=("--tmpfs=/tmp",))
    container.until_logged("Ctrl-C")
    answer = container.run(*health_command())
    assert answer.returncode == 1
    assert "unhealthy" in answer.stderr


def test_serve_when_there_is_no_configuration_then_it_says_so_and_ends(start):
    """The file that is missing is named; there is no traceback."""
    container = start()
    assert container.wait() == 1
    assert "/etc/winet-exporter/winet.yml" in container.log()
    assert "Traceback" not in container.log()
