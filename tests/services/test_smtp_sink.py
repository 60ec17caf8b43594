"""The mail server of the tests keeps what it accepts, and refuses what it is told to refuse."""

import json
import smtplib
from collections.abc import Iterator
from email.message import EmailMessage

import pytest

from services.smtp_sink import SmtpSink

TO = ("one@example.com", "two@example.com")


@pytest.fixture
def sink() -> Iterator[SmtpSink]:
    with SmtpSink() as sink:
        yield sink


def mail(subject: str = "Größe") -> EmailMessage:
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = subject, "me@example.com", ", ".join(TO)
    message.set_content("plain, ü")
    message.add_alternative("<b>html, ü</b>", subtype="html")
    return message


def send(sink: SmtpSink, message: EmailMessage, login: tuple[str, str] | None = None) -> dict:
    with smtplib.SMTP("127.0.0.1", sink.port, timeout=5) as client:
        if login:
            client.login(*login)
        return client.send_message(message)


def test_a_mail_is_kept_with_its_envelope_and_what_people_read(sink):
    assert send(sink, mail()) == {}
    (kept,) = sink.wait_for(1, 5)
    assert (kept.sender, kept.recipients, kept.subject) == ("me@example.com", TO, "Größe")
    assert (kept.text.strip(), kept.html.strip()) == ("plain, ü", "<b>html, ü</b>")
    sink.clear()
    assert sink.messages == []


def test_it_refuses_as_often_as_it_was_told(sink):
    sink.refuse("451 later")
    with pytest.raises(smtplib.SMTPDataError, match="451"):
        send(sink, mail())
    send(sink, mail())
    assert len(sink.messages) == 1


def test_one_recipient_can_be_refused(sink):
    sink.refuse_recipient(TO[1])
    assert send(sink, mail()).keys() == {TO[1]}
    assert sink.messages[0].recipients == TO[:1]


def test_a_login_is_demanded_where_there_is_one():
    with SmtpSink(login=("ops", "right")) as sink:
        for login, error in ((None, smtplib.SMTPException), (("ops", "wrong"), smtplib.SMTPAuthenticationError)):
            with pytest.raises(error):
                send(sink, mail(), login)
        send(sink, mail(), ("ops", "right"))
        assert len(sink.messages) == 1


def test_a_wait_ends_with_what_has_come(sink):
    send(sink, mail("seen"))
    assert len(sink.wait_for(lambda mails: any(one.subject == "seen" for one in mails), 5)) == 1
    with pytest.raises(TimeoutError, match="Mail"):
        sink.wait_for(2, 0.05)


def test_it_starts_again_where_it_was(sink):
    sink.stop()
    with pytest.raises(OSError, match="refused"):
        send(sink, mail())
    sink.start()
    send(sink, mail())
    assert len(sink.messages) == 1


def test_its_connection_says_where_it_is(sink):
    said = json.loads(sink.connection)
    assert (said["conn_type"], said["port"]) == ("smtp", sink.port)
