"""Bringing a message to its channels, side by side: a dead one keeps no other from being told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import copy_context
from threading import Thread
from time import monotonic
from traceback import extract_tb
from typing import TYPE_CHECKING

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowException, AirflowNotFoundException, AirflowRuntimeError

from backup_engine.errors import ChannelRefused, ChannelUnavailable

if TYPE_CHECKING:
    from airflow.sdk import Connection
    from tenacity import RetryCallState

    from backup_engine.alerts.alert import Alert
    from backup_engine.alerts.settings import Channel

TRIES = 3
PATIENCE = 11.0
"""Seconds for all channels together. Airflow ends a worker some seconds after its task: whoever is slower than that is
told by the next watch."""

_PAUSE = 0.5
"""Seconds after the first try; twice that after the second."""

Step = Callable[[], None]
"""Sends one thing once.

:raises ChannelUnavailable: it may pass
:raises ChannelRefused: it will not
"""


def deliver(alert: Alert, channels: Mapping[str, Channel], patience: float = PATIENCE) -> dict[str, str]:
    """Tell channels, whatever their severity: who hears what was decided before.

    Connections are looked up here, in the thread that Airflow answers to; each channel is then told in a thread of its
    own, in at most three tries where trying again can help.

    :param patience: seconds for all of them together
    :return: by channel, why it could not be told, in words that hold no secret; nothing for those that were
    """
    end = monotonic() + patience
    problems: dict[str, str] = {}
    threads: dict[str, Thread] = {}
    for name, channel in channels.items():
        work = copy_context().run
        arguments = (_tell, name, _steps(alert, channel), end, problems)
        threads[name] = Thread(target=work, args=arguments, name=f"alert through {name}", daemon=True)
        threads[name].start()
    for name, thread in threads.items():
        thread.join(max(0.0, end - monotonic()))
        if thread.is_alive():
            problems[name] = f"it was not done within {patience:.0f} s"
    return {name: problems[name] for name in channels if problems.get(name)}


def _steps(alert: Alert, channel: Channel) -> tuple[Step, ...]:
    """Look up what a channel needs, and give what is then to be done; a problem comes as a step that raises it."""
    try:
        return _prepared(alert, channel)
    except Exception as error:  # noqa: BLE001  told as this channel's problem
        return (_raising(error),)


def _prepared(alert: Alert, channel: Channel) -> tuple[Step, ...]:
    if channel.kind == "notifier":
        from vectorizer_backup.notifications.calling import calling

        return (calling(alert, channel),)
    connection = _connection(channel.connection)
    if channel.kind == "mail":
        from vectorizer_backup.notifications.mailing import mailing

        return (mailing(alert, channel, connection),)
    from vectorizer_backup.notifications.posting import posting

    return posting(alert, channel, connection)


def _connection(name: str) -> Connection:
    try:
        return BaseHook.get_connection(name)
    except AirflowNotFoundException as error:
        raise ChannelRefused(f"Airflow has no connection {name!r}; docs/alerts.md tells how to add it") from error
    except (AirflowRuntimeError, AirflowException) as error:
        raise ChannelRefused(f"the connection {name!r} could not be looked up ({type(error).__name__})") from error


def _raising(error: Exception) -> Step:
    def step() -> None:
        raise error

    return step


def _tell(name: str, steps: tuple[Step, ...], end: float, problems: dict[str, str]) -> None:
    """Do every step, also after one that failed, and keep the first problem."""
    for step in steps:
        problem = _problem(step, end)
        if problem:
            problems.setdefault(name, problem)


def _problem(step: Step, end: float) -> str:
    try:
        _tried(step, end)
    except (ChannelUnavailable, ChannelRefused) as error:
        return str(error)
    except Exception as error:  # noqa: BLE001  one channel's fault is not to keep others from being told
        # Its words are not passed on: nobody knows what secret they hold.
        [*_, last] = extract_tb(error.__traceback__)
        return f"an unexpected {type(error).__name__} in {last.name}, line {last.lineno}"
    return ""


def _tried(step: Step, end: float) -> None:
    from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

    tries = Retrying(
        stop=lambda state: stop_after_attempt(TRIES)(state) or monotonic() + state.upcoming_sleep > end,
        wait=lambda state: max(wait_exponential(multiplier=_PAUSE)(state), _asked_to_wait(state)),
        retry=retry_if_exception_type(ChannelUnavailable),
        reraise=True,
    )
    tries(step)


def _asked_to_wait(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    return (error.retry_after or 0.0) if isinstance(error, ChannelUnavailable) else 0.0
