"""Who is told, and how: the ``alerts`` part of ``deployments.yaml``. Secrets lie in Airflow connections."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from backup_engine.freshness.concerns import Severity
from backup_engine.lengths import Duration
from backup_engine.model import Document

ConnectionId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,250}$")]
ChannelName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
Address = Annotated[str, StringConstraints(pattern=r"^[^@\s,;<>]+@[^@\s,;<>]+$")]

REMIND = timedelta(hours=24)
"""What stays wrong is said again each day: often enough to be remembered, too seldom to be filtered away."""


class _Channel(Document):
    """A way to tell somebody.

    :param severity: nothing below it is told here
    """

    severity: Severity = Severity.WARNING


class MailChannel(_Channel):
    """Mail, through an SMTP connection.

    :param sender: None: what the connection says
    """

    kind: Literal["mail"]
    connection: ConnectionId = "smtp_default"
    to: tuple[Address, ...] = Field(min_length=1)
    sender: Address | None = None


class WebhookChannel(_Channel):
    """A message to a chat or a duty service, or our own JSON, through an HTTP connection that holds the address.

    The connection's password, if it has one, is the secret: for PagerDuty the routing key, for the others what the
    address ends with (``T00/B00/…`` of a Slack address).
    """

    kind: Literal["slack", "teams", "pagerduty", "webhook"]
    connection: ConnectionId


class NotifierChannel(_Channel):
    """Any Airflow notifier.

    :param notifier: its class, like ``airflow.providers.amazon.aws.notifications.sns.SnsNotifier``
    :param arguments: what it is made with; templates see ``alert`` (``alert.title``, ``alert.text``, ``alert.html``, …)
    """

    kind: Literal["notifier"]
    notifier: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][\w.]*\.[A-Za-z_]\w*$")]
    arguments: dict[str, object] = {}


Channel = Annotated[MailChannel | WebhookChannel | NotifierChannel, Field(discriminator="kind")]


CHANNEL_KINDS: Mapping[str, type[Document]] = {
    "mail": MailChannel,
    **dict.fromkeys(("slack", "teams", "pagerduty", "webhook"), WebhookChannel),
    "notifier": NotifierChannel,
}


class AlertSettings(Document):
    """Who is told of what.

    :param channels: by name; a deployment may name those that are told of it, by default all are
    :param remind: what is still wrong is said again after this long
    :param heartbeat: the HTTP connection with the dead-man address that is called when all is well; None: none is
    :param metrics_file: where the watch leaves its metrics for Prometheus, on the worker it runs on; None: nowhere
    """

    channels: dict[ChannelName, Channel] = {}
    remind: Duration = REMIND
    heartbeat: ConnectionId | None = None
    metrics_file: Annotated[str, StringConstraints(pattern=r"^/.+\.prom$")] | None = None

    def told_of(self, names: tuple[str, ...] | None) -> dict[str, Channel]:
        """Give the channels that a deployment names, or all."""
        return self.channels if names is None else {name: self.channels[name] for name in names}
