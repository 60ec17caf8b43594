"""A message as mail, through the SMTP provider: its connection, its encryption, its login."""

from __future__ import annotations

import logging
import smtplib
import ssl
from email.errors import MessageError
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, make_msgid
from functools import partial
from typing import TYPE_CHECKING, cast

from airflow.providers.smtp.hooks.smtp import SmtpHook
from airflow.sdk.exceptions import AirflowException

from backup_engine.alerts import rendering
from backup_engine.errors import ChannelRefused, ChannelUnavailable
from vectorizer_backup.notifications.redaction import one_line, said

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow.sdk import Connection

    from backup_engine.alerts.alert import Alert
    from backup_engine.alerts.settings import MailChannel
    from vectorizer_backup.notifications.channels import Step

_log = logging.getLogger(__name__)

_SECONDS = 10
_SUBJECT = 200
"""Characters of a subject that anybody reads."""

_SETTINGS = "look at disable_ssl, disable_tls and the certificate of the connection"

_LATER, _NEVER = 400, 500
"""SMTP answers from 400 on may pass; from 500 on they will not."""


class Mailer(SmtpHook):
    """The provider's hook, with a connection that was looked up before; it tries once, and not for long."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(str(connection.conn_id))
        self._found = connection

    def get_connection(self, conn_id: str) -> Connection:  # type: ignore[override]
        """Give the connection: Airflow may not answer in this thread."""
        return self._found

    @property
    def timeout(self) -> int:
        """Seconds for one step of the conversation."""
        return min(_SECONDS, super().timeout)

    @property
    def smtp_retry_limit(self) -> int:
        """None: who calls this tries again."""
        return 0

    def send(self, message: EmailMessage) -> dict[str, tuple[int, bytes]]:
        """Send it.

        :return: whom the server refused to pass it on to, if it took it for others
        """
        with self:
            return cast("smtplib.SMTP", self._smtp_client).send_message(message)


def mailing(alert: Alert, channel: MailChannel, connection: Connection) -> Step:
    """Give the step that sends it.

    :raises ChannelRefused: nobody is named as sender, or no mail can be made of it
    """
    sender = channel.sender or connection.extra_dejson.get("from_email")
    if not sender:
        raise ChannelRefused(
            f"nobody sends this mail: name a `sender` in the channel, or from_email in the connection "
            f"{channel.connection!r}"
        )
    try:
        message = composed(alert, str(sender), channel.to)
    except (ValueError, MessageError) as error:
        raise ChannelRefused(f"no mail can be made of it: {type(error).__name__}") from error
    return partial(_send, connection, message)


def composed(alert: Alert, sender: str, to: Iterable[str]) -> EmailMessage:
    """Write the mail: as text, and as HTML for those who see that. Nothing in it is a template any more."""
    message = EmailMessage(policy=SMTP)
    message["Subject"] = one_line(rendering.title(alert))[:_SUBJECT]
    message["From"] = sender
    message["To"] = ", ".join(to)
    message["Date"] = formatdate()
    message["Message-ID"] = make_msgid(domain="vectorizer-backup")
    # Absence notices are not sent to machines.
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(rendering.text(alert))
    message.add_alternative(rendering.html(alert), subtype="html")
    return message


def _send(connection: Connection, message: EmailMessage) -> None:
    host = connection.host or "localhost"
    secrets = (connection.password, connection.login, *(str(one) for one in connection.extra_dejson.values()))
    try:
        refused = Mailer(connection).send(message)
    except smtplib.SMTPRecipientsRefused as error:
        codes = [code for code, _ in error.recipients.values()]
        raise _problem(min(codes, default=_NEVER), f"{host} refused every recipient", _first(error), secrets) from error
    except smtplib.SMTPResponseException as error:
        what = f"{host} refused the login" if isinstance(error, smtplib.SMTPAuthenticationError) else f"{host} refused"
        raise _problem(error.smtp_code, what, _decoded(error.smtp_error), secrets) from error
    except ssl.SSLError as error:
        raise ChannelRefused(f"no encrypted connection to {host}: {_SETTINGS}") from error
    except (smtplib.SMTPServerDisconnected, OSError) as error:
        raise _failed(error, host) from error
    except AirflowException as error:
        raise _ended(host) from error
    for recipient in sorted(refused):
        _log.error("%s did not take the mail for %s, and took it for others", host, recipient)


def _failed(error: Exception, host: str) -> Exception:
    """Tell what may pass from what will not; many of smtplib's own errors are OSErrors."""
    if isinstance(error, smtplib.SMTPServerDisconnected):
        return _ended(host)
    if isinstance(error, smtplib.SMTPException):
        return ChannelRefused(f"{host} cannot do what the connection asks for ({type(error).__name__}): {_SETTINGS}")
    return ChannelUnavailable(f"{host} could not be reached ({type(error).__name__})")


def _ended(host: str) -> ChannelUnavailable:
    """Say it of a silence too: smtplib calls that a connection that was closed."""
    return ChannelUnavailable(f"{host} did not answer in time, or ended the connection")


def _problem(code: int, what: str, answer: str, secrets: Iterable[str | None]) -> Exception:
    message = f"{what} ({code}): {said(answer, secrets)}".rstrip(": ")
    return ChannelUnavailable(message) if _LATER <= code < _NEVER else ChannelRefused(message)


def _first(error: smtplib.SMTPRecipientsRefused) -> str:
    return next((_decoded(text) for _, text in error.recipients.values()), "")


def _decoded(text: bytes | str) -> str:
    return text.decode("utf-8", errors="replace") if isinstance(text, bytes) else text
