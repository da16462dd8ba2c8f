"""Who asks for bodies: a process of its own, so that its CPU time is not taken for the server's.

`python -m benchmarks.scraper` reads `PORT PATH ENCODING` from standard input, line by line, fetches that once
over a connection that it keeps, and tells the status and the length of the body, unpacked if it was packed.
"""

from __future__ import annotations

import http.client
import subprocess
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.measure import require

PIECE = 1 << 20


class Scraper:
    """The other end of such a process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def fetch(self, port: int, path: str, encoding: str = "identity") -> int:
        """The length of one body. Blocks: for a thread."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{port} {path} {encoding}\n")
        self._process.stdin.flush()
        status, length = self._process.stdout.readline().split()
        require(status == "200", f"a scrape is answered, not with {status}")
        return int(length)


@contextmanager
def scraper_process() -> Iterator[Scraper]:
    command = [sys.executable, "-m", "benchmarks.scraper"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        try:
            yield Scraper(process)
        finally:
            process.stdin.close()
            process.wait()


def main() -> None:
    connections: dict[int, http.client.HTTPConnection] = {}
    for line in sys.stdin:
        port, path, encoding = line.split()
        connection = connections.get(int(port))
        if connection is None:
            connection = connections[int(port)] = http.client.HTTPConnection("127.0.0.1", int(port))
        connection.request("GET", path, headers={"Accept-Encoding": encoding})
        response = connection.getresponse()
        packed = response.headers.get("Content-Encoding") == "gzip"
        unpack = zlib.decompressobj(16 + zlib.MAX_WBITS).decompress if packed else bytes
        length = 0
        while piece := response.read(PIECE):
            length += len(unpack(piece))
        print(response.status, length, flush=True)


if __name__ == "__main__":
    main()
