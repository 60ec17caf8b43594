"""A message through any Airflow notifier."""

from __future__ import annotations

import re
import smtplib
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import requests
from airflow.sdk import BaseNotifier
from airflow.sdk.exceptions import AirflowException
from jinja2 import TemplateError

from backup_engine.alerts import rendering
from backup_engine.errors import ChannelRefused, ChannelUnavailable
from vectorizer_backup.notifications.redaction import without_addresses

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow.sdk import Context

    from backup_engine.alerts.alert import Alert
    from backup_engine.alerts.settings import NotifierChannel
    from vectorizer_backup.notifications.channels import Step

_PASSING = (ConnectionError, TimeoutError, requests.ConnectionError, requests.Timeout, smtplib.SMTPServerDisconnected)
_LATER = re.compile(r"^(429|5\d\d)\b")
"""How the HTTP provider begins to tell of an answer that may be another one soon."""


class AlertForTemplates(NamedTuple):
    """What templates in a notifier's arguments see as ``alert``. They are texts, and no templates themselves.

    :param severity: critical, warning or note
    :param recovered: true, if all it says is good news
    :param run: address of the run's page; empty where it is about none
    """

    title: str
    text: str
    html: str
    severity: str
    deployment: str
    recovered: bool
    at: str
    run: str
    restores: str


def calling(alert: Alert, channel: NotifierChannel) -> Step:
    """Give the step that calls it: made anew with its arguments for each try, since templates are filled in once.

    :raises ChannelRefused: there is no such notifier
    """
    make = _notifier(channel.notifier)
    shown = for_templates(alert)

    def call() -> None:
        try:
            notifier = make(**channel.arguments)
            context = cast("Context", {"alert": shown})
            notifier.render_template_fields(context)
            notifier.notify(context)
        except Exception as error:
            raise _problem(error, channel.notifier) from error

    return call


def for_templates(alert: Alert) -> AlertForTemplates:
    """Say it in all the ways that a template may want."""
    return AlertForTemplates(
        title=rendering.title(alert),
        text=rendering.text(alert),
        html=rendering.html(alert),
        severity=alert.severity.value,
        deployment=alert.deployment,
        recovered=alert.recovered,
        at=alert.at.isoformat(),
        run=alert.run.url if alert.run else "",
        restores=alert.restores,
    )


def _notifier(path: str) -> Callable[..., BaseNotifier]:
    module, _, name = path.rpartition(".")
    try:
        found: Any = getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        raise ChannelRefused(
            f"{path} cannot be imported, there is no {error.name}: is its provider installed where tasks and the "
            "triggerer run?"
        ) from error
    except ImportError as error:
        raise ChannelRefused(f"{path} cannot be imported: {without_addresses(str(error))}") from error
    except AttributeError as error:
        raise ChannelRefused(f"{path} cannot be imported: {module} has no {name}") from error
    if not (isinstance(found, type) and issubclass(found, BaseNotifier)):
        raise ChannelRefused(f"{path} is no Airflow notifier: a class made from airflow.sdk.BaseNotifier is expected")
    return found


def _problem(error: Exception, path: str) -> Exception:
    name, text = path.rpartition(".")[2], without_addresses(str(error))
    if isinstance(error, NotImplementedError):
        return ChannelRefused(f"{name} has no `notify`, which is what is called")
    if isinstance(error, TemplateError):
        return ChannelRefused(f"a template in the arguments of {name} cannot be filled in: {text}")
    if isinstance(error, _PASSING) or (isinstance(error, AirflowException) and _LATER.match(text)):
        return ChannelUnavailable(f"{name} could not deliver it ({type(error).__name__}): {text}")
    return ChannelRefused(f"{name} failed with {type(error).__name__}: {text}")
