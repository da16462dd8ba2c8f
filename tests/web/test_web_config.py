"""The web configuration file: what is accepted, what is refused and how, and whether promtool agrees."""

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from exporter.config import ConfigError
from exporter.web import tls, web_config
from exporter.web.web_config import RateLimit, load
from tests.prometheus import tool
from tests.web.web_files import BAD, GOOD, HASH, HASH_10, HASHED, MUTUAL, PAIR, Case, prepare, write

PROMTOOL3 = os.environ.get("PROMTOOL3", "")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all the files that the cases name."""
    path = tmp_path_factory.mktemp("web")
    prepare(path)
    return path


def mistakes(path: Path) -> list[str]:
    with pytest.raises(ConfigError) as error:
        load(path)
    return [str(mistake) for mistake in error.value.mistakes]


@pytest.mark.parametrize("case", GOOD.values(), ids=GOOD)
def test_load_when_a_file_is_good_then_it_is_taken(case, folder):
    """Every key of the format has a value that works."""
    load(write(case, folder))


@pytest.mark.parametrize("case", BAD.values(), ids=BAD)
def test_load_when_a_file_is_bad_then_every_mistake_is_told(case, folder):
    """With line and path, all at once, and not one more than there are."""
    told = mistakes(write(case, folder))
    places = {mistake.split(": ")[1] for mistake in case.mistakes if mistake.startswith("line")}
    assert len(told) <= max(len(case.mistakes), 1), told
    for mistake in case.mistakes:
        assert any(mistake.replace("FOLDER", str(folder)) in line for line in told), told
    assert places <= {line.split(": ")[1] for line in told}


@pytest.mark.parametrize("case", BAD.values(), ids=BAD)
def test_load_when_a_file_is_bad_then_no_secret_is_told(case, folder):
    """Neither a hash nor a password in a hash's place nor a key is in the message."""
    told = "\n".join(mistakes(write(case, folder)))
    for secret in ("swordfish", "sw0rdfish", HASH_10[10:], "123456", "-----BEGIN"):
        assert secret not in told


@pytest.mark.parametrize(
    "text, expected",
    [
        ("", "nothing is encrypted, all are let in"),
        (HASHED, "passwords cross the network in the clear"),
        (f'basic_auth_users: {{a: "{HASH}"}}\n', "basic_auth_users.a: the cost of the hash is below 10"),
        ("http_server_config: {http2: true}\n", "speaks HTTP/1.1 only"),
    ],
)
def test_load_when_a_file_is_unwise_then_it_warns(text, expected, folder):
    """What is allowed and still no good idea is told."""
    assert any(expected in warning for warning in load(write(Case(text), folder)).warnings)


def test_load_when_all_is_well_then_there_is_no_warning(folder):
    """TLS, users with good hashes, no HTTP/2: nothing to say."""
    text = f"tls_server_config: {{{PAIR}}}\n{HASHED}http_server_config: {{http2: false}}\n"
    assert load(write(Case(text), folder)).warnings == ()


def test_load_when_a_file_is_full_then_every_key_arrives(folder):
    """What is written is what is in force."""
    text = (
        f"tls_server_config: {{{MUTUAL}, client_allowed_sans: [a, b], min_version: TLS13,\n"
        "  max_version: TLS13,\n"
        "  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA], prefer_server_cipher_suites: false,\n"
        "  curve_preferences: [CurveP384]}\n"
        'http_server_config: {headers: {X-Frame-Options: deny, X-XSS-Protection: ""}}\n'
        f"{HASHED}rate_limit: {{interval: 1m1.5s, burst: 7}}\n"
    )
    config = load(write(Case(text), folder))
    settings = config.tls
    assert settings is not None
    assert settings.client_auth == "RequireAndVerifyClientCert"
    assert settings.allowed_sans == ("a", "b")
    assert (settings.minimum, settings.maximum) == ("TLS13", "TLS13")
    assert settings.ciphers == ("TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",)
    assert settings.curve == "CurveP384"
    assert not settings.prefer_server_ciphers
    assert config.users == {b"alice": HASH_10.encode()}
    assert config.headers == {"X-Frame-Options": "deny"}
    assert config.rate_limit == RateLimit(61.5, 7)
    assert {path.name for path in config.files} == {"web.yml", "server.pem", "server.key", "ca.pem"}


def test_config_when_it_is_printed_then_no_secret_is_shown(folder):
    """Not in a log, not in a traceback."""
    shown = repr(load(write(GOOD["tls-and-users"], folder)))
    assert "BEGIN" not in shown
    assert HASH_10 not in shown


@pytest.mark.parametrize("rate, limit", [("{interval: 0}", None), ("{interval: 0s, burst: 5}", None),
                                         ("{interval: 250ms, burst: 5}", RateLimit(0.25, 5))])  # fmt: skip
def test_load_when_the_interval_is_0_then_there_is_no_limit(rate, limit, folder):
    """As in the format's own description."""
    assert load(write(Case(f"{HASHED}rate_limit: {rate}\n"), folder)).rate_limit == limit


def test_load_when_the_file_is_missing_then_that_is_the_mistake(tmp_path):
    """The file is named, and there is no traceback."""
    assert mistakes(tmp_path / "web.yml") == [f"cannot read {tmp_path}/web.yml: No such file or directory"]


def test_load_when_a_file_is_a_pipe_then_it_does_not_wait(tmp_path):
    """A pipe that nobody writes to would hold the exporter for ever."""
    os.mkfifo(tmp_path / "web.yml")
    assert "no regular file" in mistakes(tmp_path / "web.yml")[0]


@pytest.mark.parametrize("name", tls.CIPHERS)
def test_cipher_when_it_is_chosen_then_openssl_has_it(name, folder):
    """Every name of the table is one that OpenSSL knows, and the only one offered below TLS 1.3."""
    text = f"tls_server_config: {{{PAIR}, cipher_suites: [{name}]}}\n"
    settings = load(write(Case(text), folder)).tls
    assert settings is not None
    offered = {cipher["name"] for cipher in tls.make_context(settings).get_ciphers()}
    assert {cipher for cipher in offered if not cipher.startswith("TLS_")} == {tls.CIPHERS[name]}


@pytest.mark.parametrize("name", tls.CURVES)
def test_curve_when_it_is_chosen_then_openssl_has_it(name, folder):
    """Every curve of the table can be set."""
    settings = load(write(Case(f"tls_server_config: {{{PAIR}, curve_preferences: [{name}]}}\n"), folder)).tls
    assert settings is not None
    tls.make_context(settings)


def test_signature_when_a_file_changes_then_it_differs(tmp_path):
    """Content, and a new file of the same content in its place; none where there is no file."""
    path = tmp_path / "file"
    assert web_config.signature(path) is None
    seen = []
    for content in ("a", "ab"):
        path.write_text(content)
        seen.append(web_config.signature(path))
    shutil.copy(path, tmp_path / "copy")
    (tmp_path / "copy").rename(path)
    seen.append(web_config.signature(path))
    assert len(set(seen)) == 3


# promtool --------------------------------------------------------------------------------------------


def accepts(promtool: str, path: Path) -> bool:
    return (
        subprocess.run([promtool, "check", "web-config", path], capture_output=True, check=False).returncode
        == 0
    )


@pytest.mark.packages
@pytest.mark.skipif(not PROMTOOL3, reason="PROMTOOL3 names no promtool of Prometheus 3")
@pytest.mark.parametrize("name", [*GOOD, *BAD])
def test_promtool_3_when_it_checks_a_file_then_it_agrees_but_for_known_cases(name, folder):
    """What is good here is good there; what is bad only here is listed as such."""
    case = GOOD.get(name) or BAD[name]
    if case.agrees is None:
        pytest.skip("versions of promtool 3 differ")
    assert accepts(PROMTOOL3, write(case, folder)) == ((name in GOOD) == case.agrees)


@pytest.mark.real
@pytest.mark.parametrize("name", [*GOOD, *BAD])
def test_promtool_2_when_it_checks_a_file_then_it_agrees_where_it_knows_the_keys(name, folder):
    """The promtool of Debian 12 knows no inline PEM, no names of clients and no rate limit."""
    case = GOOD.get(name) or BAD[name]
    agrees = case.agrees if case.old is None else case.old
    assert accepts(tool("promtool"), write(case, folder)) == ((name in GOOD) == agrees)


def test_files_when_a_key_is_made_then_only_its_owner_reads_it(folder):
    """The tests set an example."""
    assert stat.S_IMODE((folder / "server.key").stat().st_mode) == 0o600
