"""A mail server that delivers nothing and keeps everything: what alerts by mail are sent to in tests."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import cast

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from services.keeping import Kept
from services.ports import free_ports
from services.process import Startable


@dataclass(frozen=True)
class Mail:
    """One mail as it was handed over.

    :param sender: of the envelope
    :param recipients: of the envelope
    """

    sender: str
    recipients: tuple[str, ...]
    message: EmailMessage

    @property
    def subject(self) -> str:
        """Its subject, decoded."""
        return str(self.message["Subject"])

    @property
    def text(self) -> str:
        """What people read who see no HTML; empty when there is nothing for them."""
        return self._body("plain")

    @property
    def html(self) -> str:
        """What people read who do."""
        return self._body("html")

    def _body(self, kind: str) -> str:
        part = self.message.get_body((kind,))
        return str(part.get_content()) if part is not None else ""


class SmtpSink(Startable):
    """One SMTP server on loopback, in a thread.

    :param login: user and password that clients have to say; None: everybody may send
    """

    def __init__(self, login: tuple[str, str] | None = None) -> None:
        [self.port] = free_ports(1)
        self._login = login
        self._kept: Kept[Mail] = Kept()
        self._refusals: list[str] = []
        self._refused: dict[str, str] = {}
        self._controller: Controller | None = None

    def start(self) -> None:
        """Listen."""
        self._controller = Controller(
            self,
            hostname="127.0.0.1",
            port=self.port,
            auth_required=self._login is not None,
            auth_require_tls=False,
            authenticator=self._authenticate,
        )
        self._controller.start()

    def stop(self) -> None:
        """Listen no more."""
        if self._controller is not None:
            self._controller.stop()
            self._controller = None

    @property
    def messages(self) -> list[Mail]:
        """What was received since the last clearing, in order."""
        return self._kept.all()

    @property
    def connection(self) -> str:
        """An Airflow connection to it, as JSON, without login."""
        extra = {"from_email": "airflow@example.com", "disable_tls": True, "disable_ssl": True}
        return json.dumps({"conn_type": "smtp", "host": "127.0.0.1", "port": self.port, "extra": extra})

    def wait_for(self, wanted: int | Callable[[Sequence[Mail]], bool], deadline_seconds: float) -> list[Mail]:
        """Wait for so many mails, or until what has come is what was wanted."""
        return self._kept.wait_for(wanted, deadline_seconds)

    def clear(self) -> None:
        """Forget the mails, and accept what comes."""
        self._kept.clear()
        self._refusals.clear()
        self._refused.clear()

    def refuse(self, answer: str, times: int = 1) -> None:
        """Answer this to the next mails.

        :param answer: code and words, like ``451 try again later``
        """
        self._refusals += [answer] * times

    def refuse_recipient(self, recipient: str, answer: str = "550 5.1.1 nobody lives here") -> None:
        """Answer this whenever a mail is for that address."""
        self._refused[recipient] = answer

    async def handle_RCPT(  # noqa: N802 - aiosmtpd looks for this name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take or refuse a recipient."""
        del server, session, options
        if address in self._refused:
            return self._refused[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd looks for this name
        """Take or refuse a mail."""
        del server, session
        if self._refusals:
            return self._refusals.pop(0)
        raw = cast("bytes", envelope.original_content)
        message = message_from_bytes(raw, EmailMessage, policy=policy.default)
        self._kept.put(Mail(str(envelope.mail_from), tuple(envelope.rcpt_tos), message))
        return "250 OK"

    def _authenticate(self, _: SMTP, __: Session, ___: Envelope, ____: str, said: object) -> AuthResult:
        known = isinstance(said, LoginPassword) and (said.login.decode(), said.password.decode()) == self._login
        return AuthResult(success=known, handled=known)
