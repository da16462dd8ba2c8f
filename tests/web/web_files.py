"""Web configuration files, good and bad, with what the exporter and what promtool say to each."""

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import bcrypt
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

PASSWORD = "correct horse"
SALT = b"$2b$04$abcdefghijklmnopqrstuu"  # the same in every process: names of tests have it in them
HASH = bcrypt.hashpw(PASSWORD.encode(), SALT).decode()
HASH_10 = "$2y$10$" + bcrypt.hashpw(b"x", SALT).decode()[7:]

PAIR = "cert_file: server.pem, key_file: server.key"
MUTUAL = f"{PAIR}, client_ca_file: ca.pem, client_auth_type: RequireAndVerifyClientCert"
SUITE = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"
HASHED = f'basic_auth_users: {{alice: "{HASH_10}"}}\n'


class Case(NamedTuple):
    """`mistakes` as the exporter tells them, none for a good file.

    `agrees` is whether promtool 3 gives the same verdict, None where its versions differ among themselves;
    `old` is whether promtool 2.42 does, where that is another answer.
    """

    text: str
    mistakes: tuple[str, ...] = ()
    agrees: bool | None = True
    old: bool | None = None


def tls(keys: str) -> str:
    return f"tls_server_config: {{{keys}}}\n"


def headers(keys: str) -> str:
    return f"{HASHED}http_server_config: {{headers: {{{keys}}}}}\n"


def users(keys: str) -> str:
    return f"basic_auth_users:\n  {keys}\n"


GOOD = {
    "empty": Case(""),
    "comment": Case("# nothing yet\n"),
    "users": Case(HASHED),
    "users-of-each-kind": Case(
        users(f'a: "{HASH_10}"\n  b: "$2a{HASH_10[3:]}"\n  "c d": "$2b{HASH_10[3:]}"\n  "ü": "{HASH}"')
    ),
    "tls": Case(tls(PAIR)),
    "tls-and-users": Case(tls(PAIR) + HASHED),
    "tls-inline": Case("tls_server_config:\n  cert: |\n    CERT\n  key: |\n    KEY\n", old=False),
    "tls-inline-and-file": Case(
        "tls_server_config:\n  cert: |\n    CERT\n  key_file: server.key\n", old=False
    ),
    "tls-absolute-paths": Case(tls("cert_file: FOLDER/server.pem, key_file: FOLDER/server.key")),
    "tls-path-upwards": Case(tls("cert_file: below/../server.pem, key_file: ./server.key")),
    "comments-in-the-ca": Case(tls(MUTUAL.replace("ca.pem", "commented.pem"))),
    "clients-required": Case(tls(MUTUAL)),
    "clients-inline": Case(
        "tls_server_config:\n  client_ca: |\n    CA\n  client_auth_type: RequireAndVerifyClientCert\n"
        "  cert_file: server.pem\n  key_file: server.key\n",
        old=False,
    ),
    "clients-if-given": Case(
        tls(f"{PAIR}, client_ca_file: ca.pem, client_auth_type: VerifyClientCertIfGiven")
    ),
    "clients-not-asked": Case(tls(f"{PAIR}, client_auth_type: NoClientCert")),
    "names": Case(
        tls(f'{MUTUAL}, client_allowed_sans: [prometheus.example, 192.0.2.1, "spiffe://x/y"]'), old=False
    ),
    "versions": Case(tls(f"{PAIR}, min_version: TLS12, max_version: TLS12")),
    "tls-1.3-only": Case(tls(f"{PAIR}, min_version: TLS13, max_version: TLS13")),
    "ciphers": Case(tls(f"{PAIR}, cipher_suites: [{SUITE}, TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256]")),
    "no-ciphers": Case(tls(f"{PAIR}, cipher_suites: []")),
    "cipher-order": Case(tls(f"{PAIR}, prefer_server_cipher_suites: false")),
    "curve": Case(tls(f"{PAIR}, curve_preferences: [X25519]")),
    "no-curves": Case(tls(f"{PAIR}, curve_preferences: []")),
    "http2": Case(tls(PAIR) + "http_server_config: {http2: true}\n"),
    "no-http2": Case(tls(PAIR) + "http_server_config: {http2: false}\n"),
    "headers": Case(
        headers(
            """Content-Security-Policy: "default-src 'none'", X-Frame-Options: deny, """
            'X-Content-Type-Options: nosniff, X-XSS-Protection: "1; mode=block", '
            "Strict-Transport-Security: max-age=60"
        )
    ),
    "frames-of-the-same-origin": Case(headers("X-Frame-Options: sameorigin")),
    "blank-header": Case(headers('Content-Security-Policy: ""')),
    "rate": Case(HASHED + "rate_limit: {interval: 1m30s, burst: 20}\n", old=False),
    "rate-in-fractions": Case(HASHED + "rate_limit: {interval: 1.5s, burst: 1}\n", old=False),
    "rate-in-milliseconds": Case(HASHED + "rate_limit: {interval: 100ms, burst: 1}\n", old=False),
    "rate-off": Case(HASHED + "rate_limit: {interval: 0}\n", old=False),
    "rate-off-in-seconds": Case(HASHED + "rate_limit: {interval: 0s, burst: 5}\n", old=False),
}

BAD = {
    # the file
    "no-yaml": Case("basic_auth_users: {", ("line 1: not valid YAML",)),
    "list": Case("- a\n", ("must be a mapping",)),
    "unknown-key": Case(
        "basic_auth_user: {}\n",
        ('line 1: basic_auth_user: is not a known key; did you mean "basic_auth_users"?',),
    ),
    "key-twice": Case(f"{HASHED}{HASHED}", ("line 2: basic_auth_users: is given twice",)),
    "user-twice": Case(
        users(f'a: "{HASH_10}"\n  a: "{HASH_10}"'), ("line 3: basic_auth_users.a: is given twice",)
    ),
    "section-of-text": Case(
        "basic_auth_users: alice\n", ("basic_auth_users: must be a mapping (key: value), not text",)
    ),
    "section-of-a-list": Case("tls_server_config: [a]\n", ("tls_server_config: must be a mapping",)),
    "empty-users": Case("basic_auth_users: {}\n", ("basic_auth_users: is empty",), agrees=False),
    "users-without-a-value": Case("basic_auth_users:\n", ("basic_auth_users: is empty",), agrees=False),
    "empty-tls": Case("tls_server_config: {}\n", ("tls_server_config: is empty",), agrees=False),
    "empty-headers": Case(
        "http_server_config: {headers: {}}\n", ("http_server_config.headers: is empty",), agrees=False
    ),
    # users
    "plain-password": Case(
        users("alice: swordfish"), ("line 2: basic_auth_users.alice: must be a bcrypt hash",)
    ),
    "hash-cut-short": Case(users(f'a: "{HASH_10[:-2]}"'), ("basic_auth_users.a: must be a bcrypt hash",)),
    "hash-of-another-kind": Case(
        users('a: "$6$salt$swordfish"'), ("basic_auth_users.a: must be a bcrypt hash",)
    ),
    "hash-of-an-old-kind": Case(
        users(f'a: "$2x{HASH_10[3:]}"'), ("basic_auth_users.a: must be a bcrypt hash",), agrees=False
    ),
    "hash-damaged": Case(
        users('a: "$2y$10$' + "z" * 53 + '"'), ("a: is a damaged bcrypt hash",), agrees=False
    ),
    "hash-of-a-number": Case(users("a: 123456"), ("basic_auth_users.a: must be a bcrypt hash",)),
    "cost-too-low": Case(
        users(f'a: "$2y$03{HASH_10[6:]}"'), ("the cost of the hash must be from 4 to 18, not 03",)
    ),
    "cost-too-high": Case(
        users(f'a: "$2y$19{HASH_10[6:]}"'),
        ("the cost of the hash must be from 4 to 18, not 19",),
        agrees=False,
    ),
    "user-of-a-number": Case(
        users(f'123: "{HASH_10}"'), ("123: the name of a user must be text",), agrees=False
    ),
    "user-with-a-colon": Case(
        users(f'"a:b": "{HASH_10}"'), ("a:b: the name of a user must be printable",), agrees=False
    ),
    "user-without-a-name": Case(
        users(f'"": "{HASH_10}"'), ("the name of a user must be printable, not empty",), agrees=False
    ),
    # certificates and keys
    "no-key": Case(tls("cert_file: server.pem"), ("line 1: tls_server_config: needs key_file, or key with",)),
    "no-certificate": Case(
        tls("key_file: server.key"), ("tls_server_config: needs cert_file, or cert with",)
    ),
    "neither": Case(tls("min_version: TLS12"), ("needs cert_file", "needs key_file"), agrees=False),
    "certificate-twice": Case(
        "tls_server_config:\n  cert: |\n    CERT\n  cert_file: server.pem\n  key_file: server.key\n",
        ("tls_server_config.cert_file: and cert are both given; keep one",),
        agrees=False,
        old=True,
    ),
    "certificate-missing": Case(
        tls("cert_file: nowhere.pem, key_file: server.key"),
        ("tls_server_config.cert_file: cannot read FOLDER/nowhere.pem: No such file",),
    ),
    "key-missing": Case(
        tls("cert_file: server.pem, key_file: nowhere"), ("key_file: cannot read FOLDER/nowhere",)
    ),
    "ca-missing": Case(
        tls(MUTUAL.replace("ca.pem", "nowhere")), ("client_ca_file: cannot read FOLDER/nowhere",)
    ),
    "everything-missing": Case(
        tls("cert_file: a, key_file: b, client_ca_file: c, client_auth_type: VerifyClientCertIfGiven"),
        ("cert_file: cannot read", "key_file: cannot read", "client_ca_file: cannot read"),
    ),
    "certificate-is-a-folder": Case(tls("cert_file: ., key_file: server.key"), ("cert_file: cannot read",)),
    "certificate-too-large": Case(
        tls("cert_file: large, key_file: server.key"), ("it is larger than 1 MiB",)
    ),
    "certificate-in-binary": Case(tls("cert_file: binary, key_file: server.key"), ("it is not UTF-8 text",)),
    "certificate-path-empty": Case(
        tls('cert_file: "", key_file: server.key'), ("cert_file: must not be empty",)
    ),
    "certificate-path-a-number": Case(
        tls("cert_file: 5, key_file: server.key"), ("cert_file: must be text",)
    ),
    "certificate-inline-a-number": Case(
        tls("cert: 5, key_file: server.key"), ("tls_server_config.cert: must be PEM text under",)
    ),
    "certificate-garbage": Case(
        tls("cert_file: garbage, key_file: server.key"), ("cert_file: holds no certificate",)
    ),
    "certificate-damaged": Case(
        tls("cert_file: damaged.pem, key_file: server.key"), ("cert_file: holds no certificate",)
    ),
    "certificate-weak": Case(
        tls("cert_file: weak.pem, key_file: weak.key"),
        ("cert_file: is refused by OpenSSL: ee key too small",),
        agrees=False,
    ),
    "key-garbage": Case(tls("cert_file: server.pem, key_file: garbage"), ("key_file: holds no private key",)),
    "key-encrypted": Case(
        tls("cert_file: server.pem, key_file: encrypted.key"),
        ("key_file: is encrypted; give it without a passphrase",),
    ),
    "key-of-another": Case(
        tls("cert_file: server.pem, key_file: client.key"), ("key_file: is not the key of this certificate",)
    ),
    "key-inline-garbage": Case(
        "tls_server_config:\n  cert_file: server.pem\n  key: |\n    sw0rdfish\n",
        ("line 3: tls_server_config.key: holds no private key",),
    ),
    "ca-garbage": Case(
        tls(MUTUAL.replace("ca.pem", "garbage")), ("client_ca_file: holds no certificate",), agrees=False
    ),
    "certificate-and-ca-garbage": Case(
        tls(MUTUAL.replace("ca.pem", "garbage").replace("server.pem", "garbage")),
        ("cert_file: holds no certificate", "client_ca_file: holds no certificate"),
    ),
    # clients
    "ca-without-type": Case(
        tls(f"{PAIR}, client_ca_file: ca.pem"),
        ("client_ca_file: is not used with client_auth_type: NoClientCert",),
    ),
    "ca-unused": Case(
        tls(f"{PAIR}, client_ca_file: ca.pem, client_auth_type: NoClientCert"),
        ("client_ca_file: is not used with",),
    ),
    "type-without-ca": Case(
        tls(f"{PAIR}, client_auth_type: RequireAndVerifyClientCert"),
        ("client_auth_type: RequireAndVerifyClientCert needs client_ca_file",),
        agrees=False,
    ),
    "type-unknown": Case(
        tls(f"{PAIR}, client_auth_type: RequireAndVerify"),
        ("client_auth_type: must be one of", 'did you mean "RequireAndVerifyClientCert"?'),
    ),
    "type-a-list": Case(
        tls(f"{PAIR}, client_auth_type: [NoClientCert]"), ("client_auth_type: must be one of",)
    ),
    "type-without-verification": Case(
        tls(f"{PAIR}, client_auth_type: RequestClientCert"),
        ("client_auth_type: RequestClientCert is not supported: Python's TLS verifies",),
        agrees=False,
    ),
    "type-with-any-certificate": Case(
        tls(f"{PAIR}, client_auth_type: RequireAnyClientCert"),
        ("client_auth_type: RequireAnyClientCert is not supported",),
        agrees=False,
    ),
    "names-without-type": Case(
        tls(f"{PAIR}, client_allowed_sans: [a]"),
        ("client_allowed_sans: needs client_auth_type",),
        agrees=None,
        old=True,
    ),
    "names-with-optional-certificates": Case(
        tls(
            MUTUAL.replace("RequireAndVerifyClientCert", "VerifyClientCertIfGiven")
            + ", client_allowed_sans: [a]"
        ),
        ("client_allowed_sans: needs client_auth_type",),
        agrees=None,
        old=True,
    ),
    "no-names": Case(
        tls(f"{MUTUAL}, client_allowed_sans: []"),
        ("client_allowed_sans: must not be empty; nobody could",),
        agrees=False,
        old=True,
    ),
    "names-no-list": Case(
        tls(f"{MUTUAL}, client_allowed_sans: {{a: b}}"), ("client_allowed_sans: must be a list",)
    ),
    # versions, ciphers, curves
    "version-unknown": Case(
        tls(f"{PAIR}, min_version: TLS14"), ("min_version: must be one of TLS12, TLS13",)
    ),
    "version-old": Case(
        tls(f"{PAIR}, min_version: TLS10"), ("min_version: TLS10 is not supported",), agrees=False
    ),
    "version-old-at-most": Case(
        tls(f"{PAIR}, min_version: TLS10, max_version: TLS11"),
        ("min_version: TLS10 is not supported", "max_version: TLS11 is not supported"),
        agrees=False,
    ),
    "versions-crossed": Case(
        tls(f"{PAIR}, min_version: TLS13, max_version: TLS12"),
        ("min_version: TLS13 is above max_version",),
        agrees=False,
    ),
    "cipher-unknown": Case(
        tls(f"{PAIR}, cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA255]"), (f'did you mean "{SUITE}"?',)
    ),
    "cipher-nonsense": Case(
        tls(f"{PAIR}, cipher_suites: [x]"), ("x is no cipher suite that is supported; supported:",)
    ),
    "cipher-of-tls-1.3": Case(
        tls(f"{PAIR}, cipher_suites: [TLS_AES_128_GCM_SHA256]"),
        ("TLS_AES_128_GCM_SHA256 cannot be chosen",),
        agrees=False,
    ),
    "ciphers-no-list": Case(tls(f"{PAIR}, cipher_suites: {{a: b}}"), ("cipher_suites: must be a list",)),
    "cipher-order-in-words": Case(
        tls(f"{PAIR}, prefer_server_cipher_suites: maybe"),
        ("prefer_server_cipher_suites: must be true or false",),
    ),
    "curve-unknown": Case(
        tls(f"{PAIR}, curve_preferences: [Curve25519]"), ("curve_preferences: must be one of",)
    ),
    "curves": Case(
        tls(f"{PAIR}, curve_preferences: [X25519, CurveP256]"),
        ("curve_preferences: can hold one curve only",),
        agrees=False,
    ),
    # HTTP
    "http2-in-words": Case(
        f"{HASHED}http_server_config: {{http2: maybe}}\n", ("http2: must be true or false",)
    ),
    "header-unknown": Case(headers("X-Powered-By: sun"), ("X-Powered-By: is not a known key",)),
    "header-in-small-letters": Case(
        headers("x-frame-options: deny"), ("x-frame-options: is not a known key",)
    ),
    "header-frames": Case(
        headers("X-Frame-Options: allow"), ("X-Frame-Options: must be one of deny, sameorigin",)
    ),
    "header-types": Case(
        headers("X-Content-Type-Options: sniff"), ("X-Content-Type-Options: must be one of nosniff",)
    ),
    "header-a-number": Case(
        headers("X-XSS-Protection: 0"), ("X-XSS-Protection: must be text",), agrees=False
    ),
    "header-of-two-lines": Case(
        headers(r'Strict-Transport-Security: "a\r\nSet-Cookie: b"'),
        ("must be printable text on one line",),
        agrees=False,
    ),
    "header-in-letters": Case(
        headers("Content-Security-Policy: größe"), ("must be ASCII text",), agrees=False
    ),
    "rate-without-unit": Case(
        HASHED + "rate_limit: {interval: 5, burst: 1}\n",
        ("interval: must be a duration such as 1s",),
        agrees=False,
        old=True,
    ),
    "rate-in-days": Case(
        HASHED + "rate_limit: {interval: 1d, burst: 1}\n", ("interval: must be a duration",)
    ),
    "rate-below-nothing": Case(
        HASHED + "rate_limit: {interval: -1s, burst: 1}\n",
        ("interval: must be a duration",),
        agrees=False,
        old=True,
    ),
    "rate-without-burst": Case(
        HASHED + "rate_limit: {interval: 1s}\n", ("rate_limit: needs burst",), agrees=False, old=True
    ),
    "rate-without-interval": Case(
        HASHED + "rate_limit: {burst: 1}\n", ("rate_limit: needs interval",), agrees=False, old=True
    ),
    "rate-of-nothing": Case(
        HASHED + "rate_limit: {interval: 1s, burst: 0}\n",
        ("burst: must be a whole number from 1",),
        agrees=False,
        old=True,
    ),
    "rate-unknown-key": Case(
        HASHED + "rate_limit: {requests: 5, interval: 0}\n", ("requests: is not a known key",)
    ),
    # all at once
    "many": Case(
        "tls_server_config:\n  cert_file: nowhere\n  key_file: server.key\n  min_version: TLS9\n"
        "basic_auth_users:\n  a: b\nhttp_server_config: {http3: true}\n",
        (
            "line 2: tls_server_config.cert_file: cannot read",
            "line 4: tls_server_config.min_version: must be one of",
            "line 6: basic_auth_users.a: must be a bcrypt hash",
            'line 7: http_server_config.http3: is not a known key; did you mean "http2"?',
        ),
    ),
}


def prepare(folder: Path) -> trustme.CA:
    """Put all files that the cases name into the folder."""
    authority = trustme.CA()
    for name, identity in (("server", "localhost"), ("client", "prometheus.example")):
        issue(authority, folder, name, identity)
    authority.cert_pem.write_to_path(folder / "ca.pem")
    ca = (folder / "ca.pem").read_text()
    (folder / "commented.pem").write_text(f"# Großer Rat\n{ca}\n# Ende\n", "utf-8")
    certificate = (folder / "server.pem").read_text()
    (folder / "damaged.pem").write_text(certificate.replace(certificate[100:104], "!!!!"))
    (folder / "garbage").write_text("nothing of use\n")
    (folder / "binary").write_bytes(b"\xff\xfe\x00")
    (folder / "large").write_bytes(b"x" * ((1 << 20) + 1))
    (folder / "below").mkdir()
    key = serialization.load_pem_private_key((folder / "server.key").read_bytes(), None)
    (folder / "encrypted.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"passphrase"),
        )
    )
    _weak(folder)
    return authority


def issue(authority: trustme.CA, folder: Path, name: str, *identities: str) -> None:
    """`name.pem` and `name.key`, signed by the authority."""
    made = authority.issue_cert(*identities)
    (folder / f"{name}.pem").write_bytes(b"".join(pem.bytes() for pem in made.cert_chain_pems))
    (folder / f"{name}.key").write_bytes(made.private_key_pem.bytes())
    (folder / f"{name}.key").chmod(stat.S_IRUSR | stat.S_IWUSR)


def _weak(folder: Path) -> None:
    """A certificate for a key so short that OpenSSL will not serve it."""
    key = rsa.generate_private_key(65537, 1024)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "weak")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    (folder / "weak.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "weak.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )


def write(case: Case, folder: Path) -> Path:
    """The case's text as a file, with PEM texts in place of their names."""
    text = case.text.replace("FOLDER", str(folder))
    for name, file in (("CERT", "server.pem"), ("KEY", "server.key"), ("CA", "ca.pem")):
        pem = (folder / file).read_text().strip().replace("\n", "\n    ")
        text = text.replace(f"    {name}\n", f"    {pem}\n")
    path = folder / "web.yml"
    path.write_text(text, "utf-8")
    return path
