"""A real server behind a web configuration: TLS, client certificates, passwords, headers, and changes."""

import asyncio
import base64
import logging
import ssl
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import aiohttp
import bcrypt
import pytest
import trustme

from exporter.config import ConfigError
from exporter.metrics import catalogue
from exporter.metrics.exposition import Exposition
from exporter.web import passwords, tls, web_config
from exporter.web.security import Security, _Bucket
from exporter.web.server import Address, Server
from exporter.web.web_config import RateLimit
from tests.prometheus import server as prometheus_server
from tests.web.web_files import HASH, MUTUAL, PAIR, PASSWORD, issue, prepare

LOOK = 0.02
ROUTES = ("/", "/metrics", "/-/healthy", "/-/ready", "/nowhere", "/-/healthy/../../metrics")
USERS = f'basic_auth_users: {{alice: "{HASH}"}}\n'


def basic(text: str | bytes) -> dict[str, str]:
    encoded = base64.b64encode(text.encode() if isinstance(text, str) else text).decode()
    return {"Authorization": f"Basic {encoded}"}


OPTIONAL = MUTUAL.replace("RequireAndVerifyClientCert", "VerifyClientCertIfGiven")
ALICE = basic(f"alice:{PASSWORD}")
# what may become of a connection that the server will not have
REFUSED = (aiohttp.ClientError, ConnectionError, ssl.SSLError)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[trustme.CA, Path]:
    folder = tmp_path_factory.mktemp("web")
    return prepare(folder), folder


@pytest.fixture
def folder(authority: tuple[trustme.CA, Path], tmp_path: Path) -> Path:
    """A folder of its own for each test, with certificates of one authority."""
    for name in ("server.pem", "server.key", "client.pem", "client.key", "ca.pem"):
        (tmp_path / name).write_bytes((authority[1] / name).read_bytes())
    return tmp_path


class Site:
    """A server with a web configuration that tests rewrite."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "web.yml"
        self.folder = folder
        self.port = 0

    def write(self, text: str) -> None:
        self.file.write_text(text, "utf-8")

    async def start(self, text: str, **options: object) -> "Site":
        self.write(text)
        self.security = Security(self.file, look_seconds=LOOK, **options)
        exposition = Exposition(catalogue.bundled())
        self.server = Server(exposition, dict, lambda: True, security=self.security)
        (address,) = await self.server.start([Address("127.0.0.1", 0)])
        self.port = address.port
        return self

    def url(self, path: str = "/metrics") -> str:
        return f"http{'s' if self.security.ssl_context else ''}://127.0.0.1:{self.port}{path}"

    def trust(self, *, certificate: str | None = None, **settings: object) -> ssl.SSLContext:
        """A client's context that trusts the authority of the folder."""
        context = ssl.create_default_context(cafile=self.folder / "ca.pem")
        context.check_hostname = False  # the certificate is for localhost
        if certificate is not None:
            path = self.folder / certificate
            context.load_cert_chain(path.with_suffix(".pem"), path.with_suffix(".key"))
        for name, value in settings.items():
            setattr(context, name, value)
        return context

    async def status(self, path: str = "/metrics", *, client: str | None = None, **options: object) -> int:
        """The status that a new connection gets."""
        context = self.trust(certificate=client) if self.security.ssl_context else True
        async with (
            aiohttp.ClientSession() as http,
            http.get(self.url(path), ssl=context, **options) as answer,
        ):
            await answer.read()
            return answer.status

    async def certificate(self, *, client: str | None = None) -> bytes:
        """The certificate that a new connection is shown, as DER."""
        context = self.trust(certificate=client)
        _, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=context)
        der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.close()
        await writer.wait_closed()
        return bytes(der)


Start = Callable[..., Awaitable[Site]]


@pytest.fixture
async def start(folder: Path) -> AsyncIterator[Start]:
    sites: list[Site] = []

    async def begin(text: str, **options: object) -> Site:
        sites.append(Site(folder))
        return await sites[-1].start(text, **options)

    yield begin
    for site in sites:
        await site.server.aclose()


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Ask until it is so; the test's own time limit ends it."""
    while not await condition():  # noqa: ASYNC110  the condition is a question over the network
        await asyncio.sleep(LOOK)


async def until_status(site: Site, status: int, **options: object) -> None:
    async def is_so() -> bool:
        return await site.status(**options) == status

    await until(is_so)


# Passwords -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ROUTES)
async def test_guard_when_there_are_users_then_every_route_asks(path, start):
    """Health and routes that do not exist are no exception, and the answer says how to log in."""
    site = await start(USERS)
    async with aiohttp.ClientSession() as http, http.get(site.url(path)) as answer:
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"] == "Basic"
        assert "winet" not in await answer.text()
    assert await site.status(path, headers=ALICE) in (200, 404)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "HEAD", "PROPFIND"])
async def test_guard_when_a_method_is_another_then_it_asks_as_well(method, start):
    """No method gets past the guard."""
    site = await start(USERS)
    async with aiohttp.ClientSession() as http, http.request(method, site.url(), data=b"x" * 9) as answer:
        assert answer.status == 401


@pytest.mark.parametrize(
    "header",
    [
        {"Authorization": header}
        for header in (
            "", "Basic", "Basic ", "Basic !!!!", "Basic YWxpY2U", "Bearer x", "Basic é", "\udcff",
            "Basic\tx", ":",
        )
    ]
    + [basic(text) for text in (
        "", ":", "alice", "alice:", f":{PASSWORD}", f"Alice:{PASSWORD}", f"alice:{PASSWORD} ",
        f"alice: {PASSWORD}",
        f"bob:{PASSWORD}", "bob:", f"alice\0:{PASSWORD}", f"alice:{PASSWORD}\0", f"alice:{PASSWORD}\0x",
        f"alice:\0{PASSWORD}", b"alice:\xff\xfe", b"\xff:\xff", "alice:" + "x" * 72, "alice:" + "x" * 73,
        "alice:" + "x" * 5000, "bob:" + "x" * 73,
    )],
)  # fmt: skip
async def test_guard_when_a_login_is_wrong_or_malformed_then_it_is_401(header, start):
    """Whatever comes, the answer is the same, and never a server error."""
    site = await start(USERS)
    assert await site.status(headers=header) == 401


async def test_guard_when_a_password_has_72_bytes_then_it_is_taken_and_a_longer_one_is_not(start):
    """bcrypt would look at the first 72 bytes only, and take whatever follows."""
    long = "ü" * 36
    hashed = bcrypt.hashpw(long.encode(), bcrypt.gensalt(4)).decode()
    site = await start(f'basic_auth_users: {{alice: "{hashed}"}}\n')
    assert await site.status(headers=basic(f"alice:{long}")) == 200
    assert await site.status(headers=basic(f"alice:{long}x")) == 401


async def test_guard_when_a_password_holds_colons_then_only_the_first_one_parts(start):
    """A name holds none; a password may."""
    hashed = bcrypt.hashpw(b"a:b:c", bcrypt.gensalt(4)).decode()
    site = await start(f'basic_auth_users: {{"ünal": "{hashed}"}}\n')
    assert await site.status(headers=basic("ünal:a:b:c")) == 200
    assert (
        await site.status(
            headers={"Authorization": basic("ünal:a:b:c")["Authorization"].replace("B", "b", 1)}
        )
        == 200
    )


async def test_guard_when_logins_are_refused_then_nothing_of_them_is_logged(start, caplog):
    """Neither the password nor the hash, right or wrong."""
    caplog.set_level(logging.DEBUG)
    site = await start(USERS)
    for text in (f"alice:{PASSWORD}", "alice:sw0rdfish", "b0b:sw0rdfish"):
        await site.status(headers=basic(text))
    for secret in (PASSWORD, "sw0rdfish", "b0b", HASH, basic("alice:sw0rdfish")["Authorization"]):
        assert secret not in caplog.text


class Counter:
    """Stands in for bcrypt: counts what is asked, and how much of it at once."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.hashes: list[bytes] = []
        self.at_once = self.most_at_once = 0
        self._lock = threading.Lock()
        self._true = bcrypt.checkpw
        self.threads: set[int] = set()
        monkeypatch.setattr(passwords.bcrypt, "checkpw", self)

    def __call__(self, password: bytes, hashed: bytes) -> bool:
        with self._lock:
            self.hashes.append(hashed)
            self.threads.add(threading.get_ident())
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            return self._true(password, hashed)
        finally:
            with self._lock:
                self.at_once -= 1


@pytest.mark.parametrize(
    "header, parts",
    [
        (basic("a:b:c")["Authorization"], (b"a", b"b:c")),
        (basic(":")["Authorization"], (b"", b"")),
        (basic("no colon")["Authorization"], None),
        (basic("a:b")["Authorization"] + "!", None),
        (basic("a:bc")["Authorization"].replace("=", ""), None),
        ("Digest YTpi", None),
        (None, None),
    ],
)
def test_header_when_it_is_read_then_only_what_is_well_formed_has_parts(header, parts):
    """A name without a colon is no login with an empty password, and nonsense is not read over."""
    assert passwords.parse_header(header) == parts


def test_digest_when_parts_join_to_the_same_text_then_it_differs_all_the_same():
    """Nobody's name and password add up to somebody else's."""
    check = passwords.Passwords()
    assert check._digest(b"ab", b"c") != check._digest(b"a", b"bc")
    assert check._digest(b"ab", b"c") != passwords.Passwords()._digest(b"ab", b"c")


async def test_passwords_when_a_login_is_repeated_then_it_is_computed_once(monkeypatch):
    """Right or wrong, known or not: the second answer comes from memory."""
    counter, check = Counter(monkeypatch), passwords.Passwords()
    users = {b"alice": HASH.encode()}
    for user, password, welcome in (
        (b"alice", PASSWORD.encode(), True),
        (b"alice", b"x", False),
        (b"bob", b"x", False),
    ):
        for _ in range(3):
            assert await check.check(users, user, password) is welcome
    assert len(counter.hashes) == 3
    assert threading.get_ident() not in counter.threads


async def test_passwords_when_a_hash_is_another_then_what_is_remembered_does_not_count(monkeypatch):
    """A changed password ends the old one at once."""
    check = passwords.Passwords()
    assert await check.check({b"a": HASH.encode()}, b"a", PASSWORD.encode())
    other = bcrypt.hashpw(b"another", bcrypt.gensalt(4))
    assert not await check.check({b"a": other}, b"a", PASSWORD.encode())
    assert not await check.check({b"b": HASH.encode()}, b"a", PASSWORD.encode())


async def test_passwords_when_a_user_is_unknown_then_a_hash_of_the_same_cost_is_computed(monkeypatch):
    """Nobody learns from the time it takes who is known; with several costs a name always has one."""
    counter = Counter(monkeypatch)
    users = {b"a": HASH.encode(), b"b": HASH.replace("$04$", "$05$").encode()}
    check = passwords.Passwords()
    for number in range(40):
        assert not await check.check(users, b"stranger %d" % number, b"x")
    assert {hashed[:7] for hashed in counter.hashes} == {b"$2b$04$", b"$2b$05$"}
    first = check._fake(users, b"stranger")
    assert [check._fake(users, b"stranger") for _ in range(5)] == [first] * 5


async def test_passwords_when_a_fake_hash_would_fit_then_the_stranger_stays_outside(monkeypatch):
    """What comes of the fake hash is thrown away."""
    monkeypatch.setattr(passwords.bcrypt, "checkpw", lambda password, hashed: True)
    assert not await passwords.Passwords().check({b"a": HASH.encode()}, b"stranger", b"x")


async def test_passwords_when_guesses_pour_in_then_memory_is_bounded_and_users_stay_remembered(monkeypatch):
    """A thousand guesses leave a hundred traces, none of them in the way of somebody who is welcome."""
    counter, check = Counter(monkeypatch), passwords.Passwords()
    users = {b"a": HASH.encode()}
    assert await check.check(users, b"a", PASSWORD.encode())
    for number in range(passwords.MOST_REMEMBERED + 20):
        assert not await check.check(users, b"a", b"%d" % number)
    computed = len(counter.hashes)
    assert await check.check(users, b"a", PASSWORD.encode())
    assert len(counter.hashes) == computed
    assert [len(memory) for memory in check._remembered.values()] == [1, passwords.MOST_REMEMBERED]
    held = b"".join(digest for memory in check._remembered.values() for digest in memory)
    assert PASSWORD.encode() not in held


async def test_guard_when_500_wrong_logins_come_at_once_then_they_wait_in_a_short_line(start, monkeypatch):
    """One bcrypt at a time; who finds the line full is sent away; a known user goes past it."""
    site = await start(USERS)
    counter = Counter(monkeypatch)
    assert await site.status(headers=ALICE) == 200

    async def attempt(http: aiohttp.ClientSession, number: int) -> int:
        async with http.get(site.url(), headers=basic(f"user {number}:x")) as answer:
            return answer.status

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        *answers, alice = await asyncio.gather(
            *(attempt(http, number) for number in range(500)), site.status(headers=ALICE)
        )
    assert alice == 200
    assert set(answers) <= {401, 429}
    assert counter.most_at_once == 1
    assert len(counter.hashes) == 1 + answers.count(401)
    assert site.security._passwords._waiting == 0


async def test_passwords_when_the_line_is_full_then_the_next_is_sent_away(monkeypatch):
    """Fifty wait, the next one does not; equal logins in line are computed once."""
    counter, check = Counter(monkeypatch), passwords.Passwords()
    users = {b"a": HASH.encode()}
    line = [check.check(users, b"a", b"same") for _ in range(passwords.MOST_WAITING)]
    *outcomes, last = await asyncio.gather(*line, check.check(users, b"a", b"other"), return_exceptions=True)
    assert outcomes == [False] * passwords.MOST_WAITING
    assert isinstance(last, passwords.TooBusyError)
    assert len(counter.hashes) == 1


async def test_passwords_when_a_waiting_login_is_given_up_then_its_place_is_free(monkeypatch):
    """A cancelled login counts no more."""
    check = passwords.Passwords()
    async with check._one_at_a_time:
        task = asyncio.ensure_future(check.check({b"a": HASH.encode()}, b"a", b"x"))
        await asyncio.sleep(0)
        assert check._waiting == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert check._waiting == 0


# Headers, rate, page ---------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ROUTES)
async def test_headers_when_they_are_configured_then_every_answer_has_them(path, start):
    """Refusals, errors and the page, whose own policy gives way."""
    text = (
        "http_server_config: {headers: {X-Frame-Options: deny, Content-Security-Policy: default-src none}}\n"
    )
    site = await start(USERS + text)
    for login in ({}, ALICE):
        async with aiohttp.ClientSession() as http, http.get(site.url(path), headers=login) as answer:
            assert answer.headers.getall("X-Frame-Options") == ["deny"]
            assert answer.headers.getall("Content-Security-Policy") == ["default-src none"]


async def test_rate_when_requests_come_too_fast_then_the_rest_is_429_until_time_has_passed(start):
    """Over all clients, before passwords are looked at; a wrong password costs a token too."""
    now = [1000.0]
    site = await start(USERS + "rate_limit: {interval: 10s, burst: 3}\n", clock=lambda: now[0])
    assert [await site.status(headers=ALICE) for _ in range(5)] == [200, 200, 200, 429, 429]
    now[0] += 25.0
    assert [await site.status() for _ in range(3)] == [401, 401, 429]
    now[0] += 5.0
    assert await site.status("/nowhere", headers=ALICE) == 404


def test_bucket_when_it_rests_for_long_then_it_holds_no_more_than_the_burst():
    """A night of silence is no licence for a flood."""
    now = [0.0]
    bucket = _Bucket(RateLimit(1.0, 2), lambda: now[0])
    now[0] = 1e6
    assert [bucket.take() for _ in range(4)] == [True, True, False, False]


async def test_rate_when_it_is_changed_then_the_new_one_holds_and_otherwise_the_bucket_stays(start):
    """Another change of the file does not fill the bucket."""
    site = await start("rate_limit: {interval: 1h, burst: 2}\n")
    assert [await site.status() for _ in range(3)] == [200, 200, 429]
    before = site.security._config
    site.write("rate_limit: {interval: 1h, burst: 2}\n# a comment\n")

    async def read_again() -> bool:
        return site.security._config is not before

    await until(read_again)
    assert await site.status() == 429
    site.write("# no limit\n")
    await until_status(site, 200)


@pytest.mark.parametrize(
    "text, open_to_all",
    [
        ("", True),
        (f"tls_server_config: {{{PAIR}}}\n", True),
        (
            f"tls_server_config: {{{OPTIONAL}}}\n",
            True,
        ),
        (f"tls_server_config: {{{MUTUAL}}}\n", False),
        (USERS, False),
        (f"tls_server_config: {{{PAIR}}}\n{USERS}", False),
    ],
)
async def test_page_when_somebody_is_kept_out_then_it_does_not_warn(text, open_to_all, start):
    """The page says that all are let in only as long as they are."""
    site = await start(text)
    context = site.trust(certificate="client") if site.security.ssl_context else True
    async with (
        aiohttp.ClientSession() as http,
        http.get(site.url("/"), ssl=context, headers=ALICE) as answer,
    ):
        assert ("asks nobody for a password" in await answer.text()) == open_to_all


# TLS -------------------------------------------------------------------------------------------------


async def test_tls_when_it_is_on_then_plain_text_is_not_answered(start):
    """A request without TLS gets no answer at all, one with TLS does."""
    site = await start(f"tls_server_config: {{{PAIR}}}\n")
    assert await site.status() == 200
    with pytest.raises(REFUSED):
        async with aiohttp.ClientSession() as http, http.get(site.url().replace("https", "http")):
            pass


async def test_tls_when_a_client_names_the_host_then_the_certificate_is_for_it(start):
    """The whole chain of trust, host name included, works for a client that checks it."""
    site = await start(f"tls_server_config: {{{PAIR}}}\n")
    context = ssl.create_default_context(cafile=site.folder / "ca.pem")
    _, writer = await asyncio.open_connection(
        "127.0.0.1", site.port, ssl=context, server_hostname="localhost"
    )
    writer.close()
    await writer.wait_closed()


async def test_tls_when_material_is_inline_then_it_serves_as_well(start, folder):
    """PEM in the file itself is as good as files beside it."""
    text = "tls_server_config:\n"
    for key, name in (("cert", "server.pem"), ("key", "server.key")):
        pem = (folder / name).read_text().strip().replace("\n", "\n    ")
        text += f"  {key}: |\n    {pem}\n"
    site = await start(text)
    assert await site.status() == 200


@pytest.mark.parametrize(
    "keys, version, cipher",
    [
        ("max_version: TLS12", "TLSv1.2", None),
        ("min_version: TLS13", "TLSv1.3", None),
        ("max_version: TLS12, cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA]", "TLSv1.2",
         "ECDHE-ECDSA-AES128-SHA"),
        ("max_version: TLS12, cipher_suites: [TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, "
         "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384]", "TLSv1.2", "ECDHE-ECDSA-CHACHA20-POLY1305"),
        ("max_version: TLS12, prefer_server_cipher_suites: false, cipher_suites: "
         "[TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384]",
         "TLSv1.2", "ECDHE-ECDSA-AES256-GCM-SHA384"),
    ],
)  # fmt: skip
async def test_tls_when_versions_and_ciphers_are_chosen_then_they_are_negotiated(
    keys, version, cipher, start
):
    """The server's order of ciphers counts, unless it is told otherwise."""
    site = await start(f"tls_server_config: {{{PAIR}, {keys}}}\n")
    context = site.trust()
    context.set_ciphers("ALL")
    _, writer = await asyncio.open_connection("127.0.0.1", site.port, ssl=context)
    line = writer.get_extra_info("ssl_object")
    assert line.version() == version
    assert cipher in (None, line.cipher()[0])
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize(
    "keys, settings",
    [
        ("min_version: TLS13", {"maximum_version": ssl.TLSVersion.TLSv1_2}),
        ("max_version: TLS12", {"minimum_version": ssl.TLSVersion.TLSv1_3}),
    ],
)
async def test_tls_when_a_client_offers_no_allowed_version_then_it_is_refused(keys, settings, start):
    """Bounds are bounds."""
    site = await start(f"tls_server_config: {{{PAIR}, {keys}}}\n")
    with pytest.raises(REFUSED):
        await asyncio.open_connection("127.0.0.1", site.port, ssl=site.trust(**settings))


async def test_tls_when_a_curve_is_chosen_then_a_client_with_another_one_is_refused(start):
    """One curve means that one."""
    site = await start(f"tls_server_config: {{{PAIR}, curve_preferences: [CurveP384]}}\n")
    context = site.trust()
    context.set_ecdh_curve("prime256v1")
    with pytest.raises(REFUSED):
        await asyncio.open_connection("127.0.0.1", site.port, ssl=context)
    context.set_ecdh_curve("secp384r1")
    _, writer = await asyncio.open_connection("127.0.0.1", site.port, ssl=context)
    writer.close()
    await writer.wait_closed()


async def test_tls_when_a_client_offers_http2_then_it_is_given_http1(start):
    """The two agree in the handshake, so that nobody has to guess."""
    site = await start(f"tls_server_config: {{{PAIR}}}\n")
    context = site.trust()
    context.set_alpn_protocols(["h2", "http/1.1"])
    _, writer = await asyncio.open_connection("127.0.0.1", site.port, ssl=context)
    assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"
    writer.close()
    await writer.wait_closed()


# Client certificates ---------------------------------------------------------------------------------


@pytest.fixture
def stranger(folder: Path) -> str:
    """A certificate of another authority."""
    issue(trustme.CA(), folder, "stranger", "prometheus.example")
    return "stranger"


@pytest.mark.parametrize("versions", ["max_version: TLS12", "min_version: TLS13"])
async def test_clients_when_a_certificate_is_required_then_only_that_authoritys_come_in(
    versions, start, stranger
):
    """Nobody without one, nobody with one of another authority."""
    site = await start(f"tls_server_config: {{{MUTUAL}, {versions}}}\n")
    assert await site.status(client="client") == 200
    for client in (None, stranger):
        with pytest.raises(REFUSED):
            await site.status(client=client)


async def test_clients_when_a_certificate_is_optional_then_a_wrong_one_is_refused_all_the_same(
    start, stranger
):
    """None is fine, a good one is fine, a bad one is not."""
    site = await start(f"tls_server_config: {{{OPTIONAL}}}\n")
    assert [await site.status(client=client) for client in (None, "client")] == [200, 200]
    with pytest.raises(REFUSED):
        await site.status(client=stranger)


async def test_clients_when_both_are_asked_then_a_certificate_is_no_password(start):
    """Certificate and password: both, not either."""
    site = await start(f"tls_server_config: {{{MUTUAL}}}\n{USERS}")
    assert await site.status(client="client") == 401
    assert await site.status(client="client", headers=ALICE) == 200


@pytest.mark.parametrize("name", ["prometheus.example", "192.0.2.7", "2001:db8::7", "sun@example.org"])
@pytest.mark.parametrize("versions", ["max_version: TLS12", "min_version: TLS13"])
async def test_clients_when_names_are_listed_then_only_those_come_in(name, versions, start, authority):
    """DNS names, addresses and mail addresses, exactly as listed; a certificate without one stays outside."""
    site = await start(
        f'tls_server_config: {{{MUTUAL}, {versions}, client_allowed_sans: [other, "{name}"]}}\n'
    )
    issue(authority[0], site.folder, "named", "else.example", name)
    issue(authority[0], site.folder, "nameless", "x.prometheus.example", "192.0.2.70")
    assert await site.status(client="named") == 200
    with pytest.raises(REFUSED):
        await site.status(client="nameless")


def test_names_when_a_certificate_has_names_of_other_kinds_then_they_do_not_count():
    """Only names that a person can write into the list; an IPv6 address is compared in its usual writing."""
    certificate = {
        "subjectAltName": (
            ("DirName", ((("commonName", "a"),),)),
            ("othername", "<unsupported>"),
            ("URI", "spiffe://x/y"),
            ("IP Address", "2001:DB8:0:0:0:0:0:7\n"),
        )
    }
    assert list(tls._names(certificate)) == ["spiffe://x/y", "2001:db8::7"]
    assert list(tls._names({})) == []


async def test_clients_when_the_listed_certificate_is_no_root_then_it_is_trusted_all_the_same(
    start, authority
):
    """What the file names is trusted, be it the authority in the middle of a chain."""
    site = await start(f"tls_server_config: {{{MUTUAL.replace('ca.pem', 'client.pem')}}}\n")
    assert await site.status(client="client") == 200
    issue(authority[0], site.folder, "sibling", "prometheus.example")
    with pytest.raises(REFUSED):
        await site.status(client="sibling")


# Changes ---------------------------------------------------------------------------------------------


async def test_change_of_the_certificate_is_shown_to_new_connections(start, authority):
    """No restart; an open connection is answered no more, and its client comes back under the new one."""
    site = await start(f"tls_server_config: {{{PAIR}}}\n")
    before = await site.certificate()
    async with aiohttp.ClientSession() as http:
        async with http.get(site.url(), ssl=site.trust()) as answer:
            await answer.read()
        context = site.trust()
        reader, writer = await asyncio.open_connection("127.0.0.1", site.port, ssl=context)
        issue(authority[0], site.folder, "server", "localhost")

        async def changed() -> bool:
            return await site.certificate() != before

        await until(changed)
        async with http.get(site.url(), ssl=site.trust()) as answer:
            assert answer.status == 200
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        assert await reader.read() == b""
        writer.close()


async def test_change_of_the_authority_shuts_out_who_had_been_let_in(start, authority):
    """Certificates of the old one are refused, those of the new one are let in."""
    site = await start(f"tls_server_config: {{{MUTUAL}}}\n")
    old_trust = site.trust(certificate="client")
    assert await site.status(client="client") == 200
    other = trustme.CA()
    issue(other, site.folder, "newcomer", "prometheus.example")
    other.cert_pem.write_to_path(site.folder / "new.pem")
    site.write(f"tls_server_config: {{{MUTUAL.replace('ca.pem', 'new.pem')}}}\n")

    async def let_in() -> bool:
        try:
            return await site.status(client="newcomer") == 200
        except REFUSED:
            return False

    await until(let_in)
    with pytest.raises(REFUSED):
        async with aiohttp.ClientSession() as http, http.get(site.url(), ssl=old_trust):
            pass


async def test_change_in_the_middle_of_a_handshake_ends_it(start, authority):
    """Nobody slips in under settings that are no more."""
    site = await start(f"tls_server_config: {{{PAIR}}}\n")
    inward, outward = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = site.trust().wrap_bio(inward, outward)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    hello = outward.read()
    writer.write(hello[:10])
    await writer.drain()
    before = await site.certificate()
    issue(authority[0], site.folder, "server", "localhost")

    async def changed() -> bool:
        return await site.certificate() != before

    await until(changed)
    writer.write(hello[10:])
    with pytest.raises(REFUSED):  # noqa: PT012  the handshake is a conversation
        for _ in range(5):
            data = await reader.read(65536)
            if not data:
                raise ConnectionResetError
            inward.write(data)
            try:
                client.do_handshake()
            except ssl.SSLWantReadError:
                pass
            writer.write(outward.read())
    writer.close()


async def test_change_of_the_users_counts_from_then_on(start):
    """A new user comes in, a removed one does not, even one who is remembered."""
    site = await start(USERS)
    assert await site.status(headers=ALICE) == 200
    site.write(f'basic_auth_users: {{bob: "{HASH}"}}\n')
    await until_status(site, 401, headers=ALICE)
    assert await site.status(headers=basic(f"bob:{PASSWORD}")) == 200


@pytest.mark.parametrize("broken", ["basic_auth_users: {alice: swordfish}\n", "", None])
async def test_change_that_breaks_the_file_is_500_for_all_until_it_is_mended(broken, start, caplog):
    """Nobody is let in by mistake; the log says so once, without secrets; a file that went is broken too."""
    site = await start(f"tls_server_config: {{{PAIR}}}\n{USERS}")
    if broken is None:
        site.file.unlink()
    else:
        site.write(broken)
    await until_status(site, 500, headers=ALICE)
    await asyncio.sleep(5 * LOOK)
    assert [await site.status(path) for path in ROUTES] == [500] * len(ROUTES)
    assert caplog.text.count("web configuration is broken") == 1
    assert "swordfish" not in str([record.__dict__ for record in caplog.records])
    site.write(f"tls_server_config: {{{PAIR}}}\n{USERS}")
    await until_status(site, 200, headers=ALICE)
    assert await site.status() == 401


async def test_change_of_the_key_alone_is_500_until_the_certificate_follows(start, authority):
    """A pair that does not fit is not served; what was good before keeps the handshake alive meanwhile."""
    site = await start(f"tls_server_config: {{{PAIR}}}\n")
    before = await site.certificate()
    issue(authority[0], site.folder, "next", "localhost")
    (site.folder / "next.key").rename(site.folder / "server.key")
    await until_status(site, 500)
    assert await site.certificate() == before
    (site.folder / "next.pem").rename(site.folder / "server.pem")
    await until_status(site, 200)
    assert await site.certificate() != before


@pytest.mark.parametrize("texts", [(USERS, f"tls_server_config: {{{PAIR}}}\n{USERS}"),
                                   (f"tls_server_config: {{{PAIR}}}\n{USERS}", USERS)])  # fmt: skip
async def test_change_that_switches_tls_is_500_and_asks_for_a_restart(texts, start, caplog):
    """A listening port speaks TLS or does not; to go on as before would not be what the file says."""
    site = await start(texts[0])
    site.write(texts[1])
    await until_status(site, 500, headers=ALICE)
    assert "restart it" in str(caplog.records[-1].__dict__["fields"])
    site.write(texts[0])
    await until_status(site, 200, headers=ALICE)


async def test_change_that_is_unwise_warns_again(start, caplog):
    """Warnings are for changes too."""
    site = await start(USERS)
    site.write("")
    await until_status(site, 200)
    assert "nothing is encrypted" in str(caplog.records[-1].__dict__["fields"])


async def test_change_that_does_not_last_is_not_taken_up(start, monkeypatch):
    """What is half written at one look is not read before it is the same at the next."""
    site = await start(USERS)
    site.security.close()
    site.write("basic_auth_users: {al")
    assert site.security._look() is None
    site.write(USERS)
    assert site.security._look() is None
    reading = site.security._look()
    assert reading is not None
    assert reading.error == ""


async def test_change_that_is_undone_counts_as_none(start):
    """A file that comes and goes between two looks is not read."""
    site = await start(USERS)
    site.security.close()
    absent = site.folder / "absent"
    site.security._config = replace(
        site.security._config, files={**site.security._config.files, absent: None}
    )
    absent.write_text("here")
    assert site.security._look() is None
    absent.unlink()
    assert site.security._look() is None
    assert site.security._changed is None


async def test_broken_file_that_looks_as_it_did_when_it_was_good_is_read_all_the_same(start):
    """What was wrong may have been the disk; the next look tries again."""
    site = await start(USERS)
    site.security.close()
    site.security._broken = "cannot be read"
    reading = site.security._look()
    assert reading is not None
    assert reading.config == site.security._config


async def test_defect_while_reading_is_500_and_not_the_end_of_watching(start, monkeypatch, caplog):
    """Whatever goes wrong in the thread: closed, told once, and looked at again."""
    site = await start(USERS)

    def fail(path: Path) -> None:
        raise RuntimeError("sw0rdfish")

    true = web_config.load
    monkeypatch.setattr(web_config, "load", fail)
    site.write(f"{USERS}# x\n")
    await until_status(site, 500, headers=ALICE)
    assert "RuntimeError: a defect" in str(caplog.records[-1].__dict__["fields"])
    assert "sw0rdfish" not in str([record.__dict__ for record in caplog.records])
    monkeypatch.setattr(web_config, "load", true)
    await until_status(site, 200, headers=ALICE)


async def test_close_in_the_middle_of_a_look_watches_no_longer(start, monkeypatch, caplog):
    """No timer and no callback is left behind, and closing twice is fine."""
    site = await start(USERS)
    began, go_on = threading.Event(), threading.Event()

    def slow(path: Path) -> None:
        began.set()
        go_on.wait(20)

    monkeypatch.setattr(web_config, "signature", slow)
    await asyncio.to_thread(began.wait, 20)
    await site.server.aclose()
    await site.server.aclose()
    go_on.set()
    await asyncio.sleep(3 * LOOK)
    assert site.security._timer is None
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_security_when_the_file_is_bad_at_the_start_then_it_does_not_start(tmp_path):
    """Better no exporter than an open one."""
    (tmp_path / "web.yml").write_text("basic_auth_users: {alice: swordfish}\n")
    with pytest.raises(ConfigError):
        Security(tmp_path / "web.yml")


# A real Prometheus ----------------------------------------------------------------------------------


@pytest.mark.real
async def test_prometheus_when_it_scrapes_over_tls_with_a_password_then_no_scrape_fails(start, authority):
    """Its own TLS, client certificate and basic auth; a new certificate in the middle costs no scrape."""
    site = await start(f"tls_server_config: {{{MUTUAL}}}\n{USERS}")
    job = f"""
    scheme: https
    static_configs: [{{targets: ["127.0.0.1:{site.port}"]}}]
    tls_config: {{ca_file: {site.folder}/ca.pem, server_name: localhost,
                 cert_file: {site.folder}/client.pem, key_file: {site.folder}/client.key}}"""
    config = f"""
global: {{scrape_interval: 200ms, scrape_timeout: 200ms}}
scrape_configs:
  - job_name: welcome{job}
    basic_auth: {{username: alice, password: {PASSWORD}}}
  - job_name: stranger{job}
"""
    (site.folder / "data").mkdir()
    with ExitStack() as stack:
        prometheus = await asyncio.to_thread(
            stack.enter_context, prometheus_server(site.folder / "data", site.folder, config)
        )

        async def sums() -> dict[str, float]:
            now = time.time()
            found = await asyncio.to_thread(prometheus.query, "count_over_time(up[1h])", now)
            return {dict(labels)["job"]: value for labels, value in found.items()}

        async def scraped(times: int) -> None:
            async def is_so() -> bool:
                return (await sums()).get("welcome", 0) >= times

            await until(is_so)

        await scraped(5)
        before = await site.certificate(client="client")
        issue(authority[0], site.folder, "server", "localhost")

        async def changed() -> bool:
            return await site.certificate(client="client") != before

        await until(changed)
        await scraped(int((await sums())["welcome"]) + 10)
        now = time.time()
        lowest = await asyncio.to_thread(prometheus.query, "min_over_time(up[1h])", now)
        highest = await asyncio.to_thread(prometheus.query, "max_over_time(up[1h])", now)
    assert {dict(labels)["job"]: value for labels, value in lowest.items()} == {"welcome": 1, "stranger": 0}
    assert {dict(labels)["job"]: value for labels, value in highest.items()} == {"welcome": 1, "stranger": 0}
