"""What the process asks of its system: open files, a fast event loop, and no needless garbage collection."""

from __future__ import annotations

import asyncio
import gc
import logging
import resource
import sys
from asyncio import sslproto
from collections.abc import Callable
from typing import TypeVar

OTHER_FILES = 100  # listeners, scrapes, files being read, the event loop's own
COLLECTIONS = 5_000, 5, 20  # more objects in the youngest generation; collections of one for one of the next
SWITCH_SECONDS = 0.0005  # for which a thread may keep the loop waiting each time, as when a file is parsed
TLS_BYTES = 32 << 10  # two TLS records
SETTLED_SECONDS = 60.0  # after the start

Loaded = TypeVar("Loaded")

log = logging.getLogger(__name__)


def make_runner() -> asyncio.Runner:
    """An event loop of uvloop if it is installed, else Python's own: slower, and no different otherwise."""
    factory = fast_loop()
    if factory is None:
        slim_tls()
    return asyncio.Runner(loop_factory=factory)


def slim_tls() -> None:
    """Let asyncio's TLS read into 32 kB for each socket, not 256 kB: no message of a gateway is as large.

    A larger one comes in several pieces. There is no setting for it; where the constant is gone, nothing is
    done.
    """
    if isinstance(getattr(sslproto.SSLProtocol, "max_size", None), int):
        sslproto.SSLProtocol.max_size = TLS_BYTES


def fast_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """What makes uvloop's loops; None where it is not installed."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def raise_open_files() -> int:
    """Let this process have as many open files as it may without a privilege. Returns how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError) as error:  # some systems have a lower limit than they say
            log.debug("open files", extra={"fields": {"limit": soft, "error": error}})
            return soft
    return hard


def warn_of_few_files(sockets: int) -> bool:
    """Tell if there may be fewer files than so many gateways need. True if that is so."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = sockets + OTHER_FILES
    if limit == resource.RLIM_INFINITY or needed <= limit:
        return False
    advice = (
        f"allow {needed}: LimitNOFILE={needed} in the systemd unit, --ulimit nofile={needed} for a container"
    )
    log.warning(
        "too few open files for all gateways",
        extra={"fields": {"limit": limit, "needed": needed, "advice": advice}},
    )
    return True


def be_patient() -> None:
    """Let garbage collection and threads disturb the event loop less; see docs/decisions/027.

    What programs and libraries are made of stays until the end: there is no garbage in it to be looked for.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTIONS)
    sys.setswitchinterval(SWITCH_SECONDS)


def uncollected(load: Callable[[], Loaded]) -> Loaded:
    """Run what makes and keeps a great many objects: collections would hold up the loop for nothing."""
    gc.disable()
    try:
        return load()
    finally:
        gc.enable()


def settle_later() -> asyncio.TimerHandle:
    """Once the first sessions have everything they will need, exempt that from garbage collection too.

    Nothing is collected before, for that could hold up a thousand sessions for a fifth of a second. What was
    garbage by then stays; it is little, and this happens only once.
    """
    return asyncio.get_running_loop().call_later(SETTLED_SECONDS, gc.freeze)
