"""The documentation: its tables are those of the program, its example works, its links lead somewhere."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import bcrypt
import pytest
import trustme

import exporter
from exporter import config_check, config_target, targets
from exporter.cli import main
from exporter.config import ConfigError
from exporter.metrics import catalogue, families
from exporter.metrics.family import Family
from exporter.telemetry import Reason
from exporter.web import tls_check, web_config

ROOT = Path(exporter.__file__).parent.parent
PAGE = ROOT / "docs" / "metrics.md"
PAGES = sorted({*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")})
BUNDLED = catalogue.bundled()

_spec = importlib.util.spec_from_file_location("make_metrics", ROOT / "docs" / "make_metrics.py")
assert _spec is not None
assert _spec.loader is not None
make_metrics = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(make_metrics)


def anchors(page: Path) -> set[str]:
    """The headings of a page as links name them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def rows() -> dict[str, list[str]]:
    """The page's table rows by their first cell."""
    found = re.findall(r"^\| `(\w+)` \| (.*) \|$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert len(found) == len(dict(found)), "a row that is there twice"
    return {name: cells.split(" | ") for name, cells in found}


def test_page_when_it_is_made_anew_then_nothing_changes():
    """The tables are current; `make docs` brings them up to date."""
    page = PAGE.read_text("utf-8")
    assert make_metrics.render(page) == page


def test_main_when_the_tables_are_old_then_the_file_is_rewritten(tmp_path, monkeypatch):
    """One command is all it takes, and what is written by hand stays."""
    old = tmp_path / "metrics.md"
    old.write_text(re.sub(r"(?m)^\| `winet2_up`.*\n", "", PAGE.read_text("utf-8")), "utf-8")
    assert "\n| `winet2_up`" not in old.read_text("utf-8")
    monkeypatch.setattr(make_metrics, "PAGE", old)
    make_metrics.main()
    assert old.read_text("utf-8") == PAGE.read_text("utf-8")


def test_page_when_families_are_looked_up_then_each_has_a_row():
    """No metric without a word about it."""
    known = {family.name for family in (*families.all_families(), *BUNDLED.families)}
    told = {name for name in rows() if name.startswith("winet2_")}
    assert told == known | {"winet2_exporter_build_info"}


def test_page_when_a_measurement_is_looked_up_then_unit_keys_and_devices_are_told():
    """All that the catalogue knows of it."""
    assert rows()["winet2_ac_active_power_watts"] == [
        "Active power at the inverter's AC side; negative while it draws power.",
        "gauge, watts",
        "",
        "`I18N_COMMON_TOTAL_ACTIVE_POWER`, `I18N_COMMON_ACTIVE_POWER`",
        "inverter, hybrid",
        "0.1.0",
    ]
    assert rows()["winet2_ac_voltage_volts"][2:4] == [
        "`phase`",
        "a: `I18N_COMMONUA`<br>b: `I18N_COMMON_UB`<br>c: `I18N_COMMON_UC`",
    ]
    assert rows()["winet2_mppt_power_watts"][1:4] == [
        "gauge, watts",
        "`mppt`",
        "`MPPT([0-9]{1,3})` of `direct`",
    ]
    assert rows()["winet2_battery_state_of_charge_ratio"][1] == "gauge, ratio, 0 to 1"


@pytest.mark.parametrize("name, labels, heading", [
    ("sun_elevation_degrees", ("target",), "Targets"),
    ("plant_power_watts", ("target",), "Gateways and plants"),
    ("device_fans", ("target", "device"), "Devices"),
    ("targets", (), "Exporter"),
])  # fmt: skip
def test_render_when_a_family_is_new_then_it_appears_by_itself(monkeypatch, name, labels, heading):
    """Whoever adds a family has its row for nothing, in the group it belongs to."""
    new = Family(f"winet2_{name}", "gauge", "New|ly.", labels)
    monkeypatch.setattr(families, "NEW", new, raising=False)
    part = make_metrics.family_tables(BUNDLED).partition(f"### {heading}\n")[2].partition("###")[0]
    assert f"| `winet2_{name}` | gauge |" in part
    assert "New\\|ly." in part


@pytest.mark.parametrize("reason", Reason)
def test_page_when_a_reason_is_looked_up_then_it_is_explained(reason):
    """The list of reasons is closed, and all of it is documented."""
    assert rows()[reason][0]


def test_page_when_it_names_a_metric_then_there_is_one():
    """No example asks for a metric that is not there, nor for one under an old name."""
    named = set(re.findall(r"\bwinet2_\w+", PAGE.read_text("utf-8")))
    known = {family.name for family in (*families.all_families(), *BUNDLED.families)}
    assert named <= known | {f"winet2_{name}" for name in catalogue.RESERVED}


def test_page_when_its_example_is_used_then_the_catalogue_takes_it(tmp_path):
    """What a reader copies works."""
    (example,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    path = tmp_path / "my-devices.yml"
    path.write_text(example, "utf-8")
    loaded = catalogue.load([path])
    assert loaded.sources["I18N_MY_BOILER_WATER"].family.kind == "counter"
    assert loaded.sources["I18N_MY_BOILER_TEMPERATURE_2"].label_value == "bottom"
    assert (loaded.kind_of(99), "heating" in loaded.states["battery"]) == ("boiler", True)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_when_they_lead_into_the_project_then_their_target_is_there(page):
    """No link of the documentation is dead."""
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        if re.match(r"[a-z]+:", link):
            continue
        file, _, anchor = link.partition("#")
        target = page.parent / file if file else page
        assert target.exists(), f"{page.name} links to {link}"
        assert not anchor or anchor in anchors(target), f"{page.name} links to {link}"


def test_readme_when_metrics_are_sought_then_it_links_to_the_page():
    """The page can be found."""
    assert "(docs/metrics.md)" in (ROOT / "README.md").read_text("utf-8")


@pytest.mark.parametrize(
    "key", sorted({*config_check.TOP_KEYS, *config_check.PROBE_KEYS, *config_target.TARGET_KEYS})
)
def test_readme_when_a_key_of_the_configuration_is_sought_then_there_is_a_row(key):
    """No key without a word about it."""
    first_cells = re.findall(r"^\| ([^|]*) \|", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)
    assert any(f"`{key}`" in cell for cell in first_cells)


def test_readme_when_a_flag_of_the_exporter_is_sought_then_it_is_named(capsys):
    """No flag without a word about it."""
    with pytest.raises(SystemExit):
        main(["serve", "--help"])
    flags = set(re.findall(r"^ +(--[\w.-]+)", capsys.readouterr().out, re.MULTILINE))
    named = set(re.findall(r"`(?:[^`]* )?(--[\w.-]+)", (ROOT / "README.md").read_text("utf-8")))
    assert "--storage.path" in flags
    assert flags <= named


def test_targets_of_make_when_they_are_sought_then_makefile_and_contributing_explain_each():
    """Nobody has to read rules to learn what there is to be made."""
    makefile = (ROOT / "Makefile").read_text("utf-8")
    (phony,) = re.findall(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    assert set(re.findall(r"^# make ([\w-]+)   \w", makefile, re.MULTILINE)) == set(phony.split())
    told = re.findall(r"^\| `make ([\w-]+)` \|", (ROOT / "CONTRIBUTING.md").read_text("utf-8"), re.MULTILINE)
    assert set(told) == set(phony.split())


def test_operations_page_when_a_setting_of_target_files_is_sought_then_it_is_named():
    """The list on the page is the one in the program."""
    told = (ROOT / "docs" / "operations.md").read_text("utf-8")
    assert {f"__winet_{name}" for name in targets.SETTINGS} == set(re.findall(r"`(__winet_\w+[a-z])`", told))


def test_web_example_when_files_and_hash_are_put_in_then_it_works(tmp_path):
    """All that is to be done is what its comments say; what they hide works as well."""
    issued = trustme.CA().issue_cert("localhost")
    issued.private_key_pem.write_to_path(tmp_path / "server.key")
    for name in ("server.pem", "clients-ca.pem"):
        issued.cert_chain_pems[0].write_to_path(tmp_path / name)
    text = (ROOT / "examples" / "web.yml").read_text("utf-8")
    path = tmp_path / "web.yml"
    path.write_text(text, "utf-8")
    with pytest.raises(ConfigError, match="must be a bcrypt hash"):
        web_config.load(path)
    hashed = bcrypt.hashpw(b"x", bcrypt.gensalt(10)).decode()
    for written in (text, re.sub(r"# (client_\w+:)", r"\1", text)):
        path.write_text(written.replace("$2b$10$…", hashed), "utf-8")
        config = web_config.load(path)
        assert config.warnings == ()
        assert config.users == {b"prometheus": hashed.encode()}
    assert config.tls is not None
    assert config.tls.allowed_sans == ("prometheus.example.org",)


@pytest.mark.real
@pytest.mark.parametrize("page", ["docs/security.md", "examples/web.yml"])
def test_hash_when_the_documented_command_makes_it_then_it_fits(page):
    """The command asks for the password and prints nothing but its hash."""
    (program,) = re.findall(r"venv/bin/python -c '(.*)'", (ROOT / page).read_text("utf-8"))
    made = subprocess.run(
        [sys.executable, "-c", program], input="swordfish\n", capture_output=True, text=True, check=True,
        start_new_session=True,
    ).stdout  # fmt: skip
    assert bcrypt.checkpw(b"swordfish", made.strip().split()[-1].encode())


def test_security_page_when_something_is_refused_then_it_says_so():
    """Every value of the format that is refused by name is on the page."""
    told = (ROOT / "docs" / "security.md").read_text("utf-8")
    for value in (*tls_check.OLD_VERSIONS, *tls_check.UNVERIFIED[:2], *tls_check.TLS_KEYS[:2]):
        assert f"`{value}`" in told
