"""A mail server that takes one kind of login and keeps what it is sent."""

import asyncio
import base64
import email
import email.policy
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import EmailMessage


class Mailbox:
    """SMTP as far as Alertmanager speaks it: EHLO, AUTH PLAIN, MAIL, RCPT, DATA, QUIT."""

    def __init__(self, username: str, password: str) -> None:
        self._login = base64.b64encode(f"\0{username}\0{password}".encode()).decode()
        self._mails: asyncio.Queue[EmailMessage] = asyncio.Queue()
        self.address = ""

    async def mail(self) -> EmailMessage:
        """The next mail; waited for."""
        return await self._mails.get()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mailbox\r\n")
        known = False
        while line := (await reader.readline()).decode().rstrip("\r\n"):
            match line.split(" ")[0].upper():
                case "EHLO":
                    writer.write(b"250-mailbox\r\n250 AUTH PLAIN\r\n")
                case "AUTH":
                    known = line == f"AUTH PLAIN {self._login}"
                    writer.write(b"235 welcome\r\n" if known else b"535 wrong password\r\n")
                case "DATA" if known:
                    writer.write(b"354 go on\r\n")
                    text = (await reader.readuntil(b"\r\n.\r\n"))[:-3].replace(b"\r\n..", b"\r\n.")
                    await self._mails.put(email.message_from_bytes(text, policy=email.policy.default))
                    writer.write(b"250 taken\r\n")
                case "QUIT":
                    writer.write(b"221 bye\r\n")
                    break
                case _:
                    writer.write(b"250 well\r\n" if known else b"530 log in first\r\n")
        writer.close()


@asynccontextmanager
async def mailbox(username: str, password: str) -> AsyncIterator[Mailbox]:
    """Listen for mails on a free port."""
    box = Mailbox(username, password)
    server = await asyncio.start_server(box.serve, "127.0.0.1", 0)
    try:
        host, port = server.sockets[0].getsockname()
        box.address = f"{host}:{port}"
        yield box
    finally:
        server.close()
