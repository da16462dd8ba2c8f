"""Opening a WebSocket to one gateway: which transport, what is checked, and why it failed.

`auto` asks for TLS first and takes the plain port only where there is no TLS; once a gateway has spoken
TLS, this process never talks plain to it again.
"""

from __future__ import annotations

import asyncio
import errno
import os
import ssl
from typing import NamedTuple

import aiohttp
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse
from yarl import URL

from exporter.config import Target
from exporter.winet import errors, tls
from exporter.winet.messages import clean
from exporter.winet.names import SystemResolver
from exporter.winet.upgraded import UpgradedWebSocket

PATH = "/ws/home/overview"
PLAIN_PORT = 8082
TLS_PORT = 443
OPEN_SECONDS = 20.0  # a small computer needs seconds for an RSA handshake
NAMED_PORT_TLS_SECONDS = 5.0  # on a port of unknown kind, silence counts as "no TLS here"
CLOSE_SECONDS = 1.0
LARGEST_MESSAGE = 1 << 20  # the largest seen has 18 kB
PAGE_SECONDS = 30.0  # while a page is read, nothing else is
LARGEST_PAGE = 4 << 20  # its file of labels has thousands of lines (inferred)

NO_TLS_REASONS = (
    "WRONG_VERSION_NUMBER",
    "HTTP_REQUEST",
    "UNEXPECTED_EOF_WHILE_READING",
    "PACKET_LENGTH_TOO_LONG",
)
UNREACHABLE_ERRNOS = {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ETIMEDOUT, errno.EHOSTDOWN}


class Endpoint(NamedTuple):
    scheme: str
    host: str
    port: int

    @property
    def url(self) -> URL:
        return URL.build(scheme=self.scheme, host=self.host, port=self.port, path=PATH)

    def __str__(self) -> str:
        return str(self.url.with_path("/")).rstrip("/")


class TlsNotSpoken(errors.TransportError):
    """What listens on the port speaks no TLS: it closed the line, said nothing, or spoke another protocol."""

    reason = errors.Unreachable.reason
    advice = errors.Unreachable.advice


async def refuse_redirects(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    """A client middleware: `ws_connect` would follow a redirect, and a login could end up elsewhere."""
    response = await handler(request)
    if 300 <= response.status < 400:
        response.close()
        raise errors.RedirectRefused(
            f"answered with a redirect (HTTP {response.status}), which is not followed"
        )
    return response


def make_http_client() -> aiohttp.ClientSession:
    """The one HTTP client of a pool: no cookies, no proxies, no redirects, no limit but our own."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, use_dns_cache=False, resolver=SystemResolver()),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,  # 64 kB can become 64 MB at one blow
        timeout=aiohttp.ClientTimeout(total=None),
        ws_response_class=UpgradedWebSocket,
        middlewares=(refuse_redirects,),
        trust_env=False,
    )


class Dialer:
    """Opens WebSockets to one target, one after the other, and remembers what it learned about it."""

    __slots__ = ("_http", "_plain_worked", "_spoken", "_strict", "_target", "certificate", "tls_seen")

    def __init__(self, target: Target, http: aiohttp.ClientSession) -> None:
        self._target = target
        self._http = http
        self._strict: ssl.SSLContext | None = None
        self._plain_worked = False
        self._spoken: Endpoint | None = None  # what the newest WebSocket was opened to
        self.tls_seen = False
        self.certificate: tls.Certificate | None = None

    def endpoints(self) -> tuple[Endpoint, ...]:
        """What the next attempt tries, in this order."""
        host, port = self._target.host, self._target.port
        plain = Endpoint("ws", host, port or PLAIN_PORT)
        secure = Endpoint("wss", host, port or TLS_PORT)
        if self._target.transport == "ws":
            return (plain,)
        if self._target.transport == "wss" or self._target.verify != "bypass" or self.tls_seen:
            return (secure,)
        return (plain,) if self._plain_worked else (secure, plain)

    async def open(self) -> tuple[aiohttp.ClientWebSocketResponse, Endpoint]:
        """One attempt. Raises a `TransportError`; whatever was half open is closed then."""
        endpoints = self.endpoints()
        self._plain_worked = False  # until it has worked again
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                for endpoint in endpoints:
                    try:
                        socket = await self._open(endpoint, may_fall_back=endpoint is not endpoints[-1])
                    except (TlsNotSpoken, errors.PortRefused):
                        if endpoint is endpoints[-1] or self.tls_seen:
                            raise
                        continue
                    self._plain_worked = endpoint.scheme == "ws"
                    self._spoken = endpoint
                    return socket, endpoint
        except TimeoutError:
            where = " or ".join(map(str, endpoints))
            if self._target.transport == "wss" and self._target.verify == "bypass" and not self.tls_seen:
                raise errors.NoTlsAnswer(f"no TLS from {where} within {OPEN_SECONDS:g} s") from None
            raise errors.NoAnswer(f"no WebSocket from {where} within {OPEN_SECONDS:g} s") from None
        raise AssertionError("unreachable: the last endpoint returns or raises")  # pragma: no cover

    async def _open(self, endpoint: Endpoint, *, may_fall_back: bool) -> aiohttp.ClientWebSocketResponse:
        watch = tls.CertificateWatch(self._target.fingerprints)
        limit = NAMED_PORT_TLS_SECONDS if may_fall_back and self._target.port else None
        try:
            async with asyncio.timeout(limit):
                socket = await self._http.ws_connect(
                    endpoint.url,
                    ssl=await self._verification(watch),
                    autoping=False,  # pongs are of interest
                    max_msg_size=LARGEST_MESSAGE,
                    compress=15 if self._target.compression else 0,
                    timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_SECONDS),
                )
            if self._strict is not None:
                watch.check(socket)
        except TimeoutError:
            if watch.seen is None:
                raise TlsNotSpoken(f"no TLS from {endpoint} within {limit:g} s") from None
            raise errors.NoAnswer(f"no WebSocket from {endpoint} within {limit:g} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            failure = _translate(error, endpoint, watch, self._target.fingerprints)
            if isinstance(failure, errors.TlsFailed):
                self.tls_seen = True  # it answered in TLS, if only to disagree
            raise failure from error
        finally:
            if watch.seen is not None:
                self.tls_seen = True
                self.certificate = watch.seen
        return socket

    async def fetch(self, path: str, most: int = LARGEST_PAGE) -> str:
        """One of the gateway's own pages as text, over the transport that its WebSocket speaks.

        With TLS the pages are beside the WebSocket and checked like it; plain they have a port of their own.
        Raises a `TransportError`, or `Rejected` for any HTTP status but 200. `most` bounds its bytes.
        """
        spoken = self._spoken or self.endpoints()[0]
        secure = spoken.scheme == "wss"
        port = spoken.port if secure else self._target.http_port
        endpoint = Endpoint("https" if secure else "http", spoken.host, port)
        watch = tls.CertificateWatch(self._target.fingerprints)
        limit = min(self._target.request_timeout, PAGE_SECONDS)
        try:
            async with asyncio.timeout(limit):
                return await self._fetch(endpoint, path, await self._verification(watch), most)
        except TimeoutError:
            raise errors.NoAnswer(f"no answer to {endpoint}{path} within {limit:g} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _translate(error, endpoint, watch, self._target.fingerprints) from error

    async def _fetch(
        self,
        endpoint: Endpoint,
        path: str,
        verification: ssl.SSLContext | tls.CertificateWatch,
        most: int,
    ) -> str:
        # a gateway has few sockets, and a page that is packed would be larger than it seems
        headers = {"Connection": "close", "Accept-Encoding": "identity"}
        url = endpoint.url.with_path(path)
        async with self._http.get(url, ssl=verification, headers=headers) as response:
            if response.status != 200:
                raise errors.Rejected(
                    f"{endpoint}{path} answered with HTTP {response.status}", response.status
                )
            if response.headers.get("Content-Encoding", "identity") != "identity":
                raise errors.Garbled(f"{endpoint}{path} came packed, which was not asked for")
            page = bytearray()
            async for part in response.content.iter_chunked(1 << 16):
                page += part
                if len(page) > most:
                    raise errors.Garbled(f"{endpoint}{path} has more than {most} bytes")
            return page.decode("utf-8", "replace")

    async def _verification(self, watch: tls.CertificateWatch) -> ssl.SSLContext | tls.CertificateWatch:
        if self._target.verify != "strict":
            return watch
        if self._strict is None:
            try:
                self._strict = await asyncio.to_thread(tls.strict_context, self._target.ca_file)
            except (OSError, ssl.SSLError) as error:
                raise errors.CaFileUnreadable(
                    f"cannot load the CA file {self._target.ca_file}: {error}"
                ) from error
        return self._strict


def _translate(
    error: Exception, endpoint: Endpoint, watch: tls.CertificateWatch, pins: tuple[str, ...]
) -> errors.TransportError:
    """One of our failures for whatever aiohttp, ssl or the system raised."""
    if isinstance(error, aiohttp.ServerFingerprintMismatch):
        return errors.CertificateMismatch(tuple(map(tls.spell, pins)), tls.spell(error.got.hex()))
    if isinstance(error, aiohttp.ClientResponseError):
        if endpoint.scheme in ("http", "https"):
            return errors.Garbled(f"{endpoint} does not speak HTTP ({clean(error.message)})")
        words = clean(f"HTTP {error.status} {error.message}")
        return errors.UpgradeRefused(f"{endpoint} refused the WebSocket: {words}")
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return errors.TlsFailed(f"{endpoint}: {error.certificate_error}")
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return errors.Unreachable(f"the name {endpoint.host} cannot be resolved")
    cause = getattr(error, "os_error", error)
    words = str(cause) or type(cause).__name__
    number = cause.errno if isinstance(cause, OSError) and not isinstance(cause, ssl.SSLError) else None
    if number is not None and number in errno.errorcode:
        words = os.strerror(number)  # asyncio's own words for it are "Connect call failed"
    if _is_refusal(cause):
        return errors.PortRefused(f"{endpoint}: {os.strerror(errno.ECONNREFUSED)}")
    if endpoint.scheme in ("wss", "https") and watch.seen is None:
        if isinstance(cause, ssl.SSLError) and not _is_no_tls(cause):
            return errors.TlsFailed(f"{endpoint}: the TLS handshake failed ({cause.reason})")
        if not (isinstance(cause, OSError) and cause.errno in UNREACHABLE_ERRNOS):
            return TlsNotSpoken(f"{endpoint} does not speak TLS ({words})")
    if isinstance(error, aiohttp.ServerDisconnectedError):
        if endpoint.scheme in ("http", "https"):
            return errors.ConnectionLost(f"{endpoint} closed the connection instead of answering")
        wants = "; it may want TLS (transport: wss)" if endpoint.scheme == "ws" else ""
        return errors.UpgradeRefused(f"{endpoint} closed the connection instead of answering{wants}")
    if isinstance(error, aiohttp.ClientConnectorError):
        return errors.Unreachable(f"{endpoint}: {words}")
    return errors.ConnectionLost(f"{endpoint}: {words}")


def _is_refusal(error: Exception) -> bool:
    """Whether nothing listens on the port, at one at least of the addresses that the name has."""
    if not isinstance(error, OSError):
        return False
    # where each address failed in a way of its own, aiohttp lists all of it in one error without number
    return error.errno == errno.ECONNREFUSED or f"[Errno {errno.ECONNREFUSED}]" in str(error)


def _is_no_tls(error: ssl.SSLError) -> bool:
    """Whether a handshake failed because the other side closed, or spoke something else than TLS."""
    return isinstance(error, ssl.SSLEOFError) or error.reason in NO_TLS_REASONS
