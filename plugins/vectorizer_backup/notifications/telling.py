"""From a decision to people who know: compose the message, deliver it, and keep what was told and what is owed.

What is to be told is written down as owed to every channel before it is sent. Whoever is killed while sending leaves
behind what the next watch sends: twice is better than never.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import quote

from airflow.sdk import conf
from airflow.sdk.exceptions import AirflowRuntimeError

from backup_engine.alerts.alert import Alert, Occasion, RunReference
from backup_engine.errors import NobodyTold
from vectorizer_backup.dag_defaults import RESTORE, dag_id, deployments
from vectorizer_backup.notifications.looking import Look
from vectorizer_backup.notifications.memory import recall_settings, remember_changes

if TYPE_CHECKING:
    from datetime import datetime

    from backup_engine.alerts.alert import Told
    from backup_engine.alerts.incidents import Decision
    from backup_engine.alerts.ledger import Ledger
    from backup_engine.alerts.settings import AlertSettings, Channel
    from backup_engine.deployments import Loaded

_log = logging.getLogger(__name__)


def tell(
    deployment: str,
    seen: Ledger,
    decision: Decision,
    now: datetime,
    look: Callable[[], Look] = Look,
    run: RunReference | None = None,
) -> None:
    """Tell people what is to be told, and remember it.

    :param deployment: empty: it is about the configuration, or the watch itself
    :param seen: the ledger that the decision was made from
    :param look: how the deployment stands; asked only if there is somebody to tell
    :param run: what it is about, if it is about one
    :raises NobodyTold: there is no channel, or none could be reached; then it stays to be told
    """
    from backup_engine.alerts.incidents import owing

    if not decision.told:
        remember_changes(deployment, seen, decision.ledger)
        return
    loaded = deployments()
    channels = channels_of(deployment, loaded)
    if not channels and not _is_muted(deployment, loaded):
        remember_changes(deployment, seen, untold(decision.ledger, seen))
        raise NobodyTold(_no_channel(deployment, decision.told))
    hearing = audiences(decision.told, channels, seen)
    found = _found(look) if hearing else Look()
    owed = owing(decision.ledger, decision.told, {name for group in hearing.values() for name in group})
    _write_ahead(deployment, seen, owed)
    alerts = [(_composed(deployment, told, now, found, run), group) for told, group in hearing.items()]
    failed = _delivered(alerts)
    remember_changes(deployment, owed, owing(decision.ledger, decision.told, failed))
    _say(failed, {name for group in hearing.values() for name in group})


def channels_of(deployment: str, loaded: Loaded) -> dict[str, Channel]:
    """Give the channels that are told of a deployment, as the configuration says, or last said when it could be read.

    :param deployment: empty, or one that is not in the configuration: all channels
    """
    settings = loaded.alerts or (recall_settings() if loaded.problems else None)
    known = loaded.deployments.get(deployment)
    return {} if settings is None else _named(settings, known.alerts if known else None)


def audiences(
    told: Iterable[Told], channels: Mapping[str, Channel], seen: Ledger
) -> dict[tuple[Told, ...], dict[str, Channel]]:
    """Tell which channels hear what: nothing below their severity, and nothing that they alone have heard. Pure."""
    groups: dict[tuple[Told, ...], dict[str, Channel]] = {}
    for name, channel in channels.items():
        heard = tuple(
            one for one in told if one.concern.severity.rank >= channel.severity.rank and _is_for(one, name, seen)
        )
        if heard:
            groups.setdefault(heard, {})[name] = channel
    return groups


def untold(ledger: Ledger, seen: Ledger) -> Ledger:
    """Give the ledger as it is when nobody could be told: what is wrong is known, and still to be told. Pure."""
    before = seen.incidents
    incidents = {
        key: one.model_copy(
            update={
                "told": before[key].told if key in before else None,
                "told_at": before[key].told_at if key in before else None,
            }
        )
        for key, one in ledger.incidents.items()
    }
    return ledger.model_copy(update={"incidents": incidents})


def page_of(*steps: str) -> str:
    """Give the address of one of Airflow's pages; empty where Airflow's address is not known."""
    base = str(conf.get("api", "base_url", fallback="") or "").rstrip("/")
    return "/".join([base, *(quote(step, safe="") for step in steps)]) if base else ""


def run_reference(dag: str, run_id: str) -> RunReference:
    """Name a run, and its page."""
    return RunReference(dag_id=dag, run_id=run_id, url=page_of("dags", dag, "runs", run_id))


def _is_muted(deployment: str, loaded: Loaded) -> bool:
    """Tell whether the configuration says that nobody is to hear of it: ``alerts: []``."""
    known = loaded.deployments.get(deployment)
    return known is not None and known.alerts == ()


def _named(settings: AlertSettings, names: tuple[str, ...] | None) -> dict[str, Channel]:
    wanted = settings.channels if names is None else names
    return {name: settings.channels[name] for name in wanted if name in settings.channels}


def _found(look: Callable[[], Look]) -> Look:
    """Look; what breaks while looking keeps nobody from being told."""
    try:
        return look()
    except Exception as error:  # noqa: BLE001 - a bug in a look is no reason to leave people asleep
        _log.exception("How the deployment stands could not be found out")
        return Look(None, f"looking at it broke: {type(error).__name__}: {error}")


def _is_for(told: Told, channel: str, seen: Ledger) -> bool:
    """Tell whether this channel has to hear it: what is told again because some are owed it, the others have heard."""
    before = seen.incidents.get(told.concern.key)
    if before is None or not before.owed:
        return True
    heard = (before.told is None) is (told.occasion is Occasion.RECOVERED)
    again = told.occasion in {Occasion.RAISED, Occasion.RECOVERED} and heard
    return not again or channel in before.owed


def _delivered(alerts: Sequence[tuple[Alert, Mapping[str, Channel]]]) -> dict[str, str]:
    from vectorizer_backup.notifications.channels import PATIENCE, deliver

    failed: dict[str, str] = {}
    for alert, channels in alerts:
        failed.update(deliver(alert, channels, PATIENCE / len(alerts)))
    return failed


def _composed(deployment: str, told: tuple[Told, ...], now: datetime, look: Look, run: RunReference | None) -> Alert:
    return Alert(
        at=now,
        deployment=deployment,
        told=told,
        protection=look.protection,
        unknown_because=look.unknown_because,
        probes=look.probes,
        run=run,
        restores=page_of("dags", dag_id(deployment, RESTORE)) if deployment else "",
    )


def _write_ahead(deployment: str, seen: Ledger, owed: Ledger) -> None:
    try:
        remember_changes(deployment, seen, owed)
    except AirflowRuntimeError as error:
        _log.warning("What is told now could not be written down first, and may be told twice: %s", error)


def _say(failed: Mapping[str, str], called: set[str]) -> None:
    reached = called - failed.keys()
    why = "; ".join(f"{name}: {problem}" for name, problem in sorted(failed.items()))
    if failed and not reached:
        raise NobodyTold(f"nobody could be told: {why}. The watch tries again")
    for name, problem in sorted(failed.items()):
        _log.error("Not told through channel %s: %s. The watch tries again", name, problem)
    if reached:
        _log.info("Told through %s", ", ".join(sorted(reached)))


def _no_channel(deployment: str, told: Iterable[Told]) -> str:
    about = deployment or "the configuration"
    return (
        f"nobody was told about {about}, because no channel is configured for it: name one under `alerts.channels` in "
        f"deployments.yaml. To be told was: {'; '.join(one.concern.found for one in told)}"
    )
