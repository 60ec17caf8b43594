"""Looking at every deployment at once, for the watch: each for so long and no longer, and none in another's way."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from airflow.sdk.exceptions import AirflowRuntimeError

from backup_engine import wording
from backup_engine.cron import parse_cron
from backup_engine.freshness.concerns import Concern, ConcernKind, Severity
from backup_engine.freshness.judgement import Judgement
from backup_engine.freshness.measures import Measure
from backup_engine.freshness.sighting import DagSighting
from backup_engine.model import Document, Moment
from vectorizer_backup.dag_defaults import dag_id, schedules

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from airflow.sdk.types import RuntimeTaskInstanceProtocol as TaskInstance

    from backup_engine.alerts.ledger import Ledger
    from backup_engine.alerts.settings import AlertSettings
    from backup_engine.deployment import Deployment
    from backup_engine.deployments import Loaded
    from backup_engine.freshness.attempts import Attempt
    from vectorizer_backup.notifications.looking import Opened

SECONDS = 150.0
"""A deployment's places and its server have their own limits, which are shorter: this is for what nobody foresaw."""

_GRACE = timedelta(minutes=10)
_NOT_FOUND = 404
_GOING_ON = ["queued", "running"]


class Looked(Document):
    """What one look found out about one deployment.

    :param deployment: empty: the configuration, and the watch itself
    :param judgement: None: it was not judged; ``concerns`` say why
    :param measures: how much its places held on earlier days, and today
    """

    deployment: str
    judgement: Judgement | None = None
    concerns: tuple[Concern, ...] = ()
    measures: dict[str, tuple[Measure, ...]] = {}

    @property
    def found(self) -> tuple[Concern, ...]:
        """All that is wrong with it."""
        return (*(self.judgement.concerns if self.judgement else ()), *self.concerns)


class Watched(Document):
    """What one look found out about all of them, what is about the whole configuration first."""

    at: Moment
    looked: tuple[Looked, ...]

    @property
    def unjudged(self) -> dict[str, Concern]:
        """Why some were not judged."""
        return {one.deployment: one.concerns[0] for one in self.looked if one.judgement is None and one.concerns}


class Beheld(NamedTuple):
    """A look, and what broke while looking at some deployment."""

    watched: Watched
    broken: Mapping[str, BaseException]


def look_at_all(loaded: Loaded, ti: TaskInstance, now: datetime) -> Beheld:
    """Look at every deployment of the configuration, and judge it.

    :param ti: the task that looks: Airflow is asked through it
    """
    from backup_engine.freshness.configured import WHOLE_FILE, configuration_concerns

    wrong = configuration_concerns(loaded)
    names = dict.fromkeys((WHOLE_FILE, *sorted(wrong)))
    looked = [Looked(deployment=name, concerns=(wrong[name],) if name in wrong else ()) for name in names]
    begun = {name: _begun(one, ti, now) for name, one in sorted(loaded.deployments.items())}
    broken: dict[str, BaseException] = {}
    for name, attempt in begun.items():
        came = _came(attempt)
        if isinstance(came, BaseException):
            broken[name] = came
            looked.append(Looked(deployment=name, concerns=(not_judged(name, came),)))
        else:
            looked.append(came)
    return Beheld(Watched(at=now, looked=tuple(looked)), broken)


def not_judged(deployment: str, why: object) -> Concern:
    """Say that nobody knows how a deployment stands.

    :param deployment: empty: all of them
    """
    said = f"{type(why).__name__}: {why}" if isinstance(why, BaseException) else str(why)
    return Concern(
        kind=ConcernKind.NOT_JUDGED,
        severity=Severity.WARNING,
        found=f"{deployment or 'No deployment'} could {'not ' if deployment else ''}be judged: {said.rstrip('.')}.",
        risk="Nobody is told if its backups fail to come, or grow old.",
        remedy="The log of the task look of the watch's newest run has all of it. `vectorizer-backup status` judges "
        "without Airflow.",
        grace_seconds=_GRACE.total_seconds(),
    )


def sightings(deployment: Deployment, ti: TaskInstance, now: datetime) -> tuple[DagSighting, ...]:
    """Ask Airflow how the deployment's DAGs are doing."""
    return tuple(
        _sighting(dag_id(deployment.name, purpose), purpose, schedule, ti, now)
        for purpose, schedule in schedules(deployment).items()
    )


def settings_of(loaded: Loaded) -> AlertSettings | None:
    """Give who is told, as the configuration says, or last said when it could be read; None: nobody ever said."""
    from vectorizer_backup.notifications.memory import recall_settings

    return loaded.alerts or (recall_settings() if loaded.problems else None)


def remember_settings_of(loaded: Loaded) -> None:
    """Keep who is told, if the configuration says so, or can be read and says that nobody is."""
    from backup_engine.alerts.settings import AlertSettings
    from vectorizer_backup.notifications.memory import remember_settings

    if loaded.alerts is not None or not loaded.problems:
        remember_settings(loaded.alerts or AlertSettings())


def why_unwell(ledgers: Mapping[str, Ledger], now: datetime) -> list[str]:
    """Say what is wrong beyond doubt, and what nobody could be told: a line each."""
    from backup_engine.alerts.incidents import troubles

    wrong = [
        f"{name or 'the configuration'}: {one.concern.kind.value} {one.concern.subject}".rstrip()
        for name, ledger in ledgers.items()
        for one in troubles(ledger, now)
    ]
    owed = [name or "the configuration" for name, ledger in ledgers.items() if owed_channels(ledger)]
    return [*wrong, *(f"{name}: not everybody could be told" for name in owed)]


def owed_channels(ledger: Ledger) -> tuple[str, ...]:
    """Tell which channels have not heard everything that they should have."""
    return tuple(sorted({channel for one in ledger.incidents.values() for channel in one.owed}))


def table_of(looked: Iterable[Looked]) -> str:
    """Write how the deployments stand, as a Markdown table."""
    header = ("deployment", "tier", "recovery point", "promised", "newest good", "verified", "restore", "promised")
    return wording.markdown_table((*header, "wrong"), [_row(one) for one in looked if one.deployment or one.concerns])


def _begun(deployment: Deployment, ti: TaskInstance, now: datetime) -> Attempt[Looked] | Exception:
    """Ask Airflow all that is to be asked, which only this thread may, then begin to look."""
    from backup_engine.diagnosis.beside import begin
    from vectorizer_backup.notifications.looking import Opened
    from vectorizer_backup.notifications.memory import recall

    try:
        dags, opened = sightings(deployment, ti, now), Opened(deployment)
        measures = recall(deployment.name).measures
    except Exception as error:  # noqa: BLE001 - whatever it is, the other deployments are looked at, and it is told
        return error
    return begin(partial(_looked, deployment, opened, dags, measures), SECONDS)


def _came(begun: Attempt[Looked] | Exception) -> Looked | BaseException:
    from backup_engine.diagnosis.beside import came_of

    if isinstance(begun, Exception):
        return begun
    looked = came_of(begun)
    return looked  # noqa: RET504 - returned at once, T would be taken for the whole union


def _looked(
    deployment: Deployment, opened: Opened, dags: Sequence[DagSighting], measures: Mapping[str, tuple[Measure, ...]]
) -> Looked:
    from backup_engine.freshness.judging import judge
    from backup_engine.freshness.measuring import measured
    from backup_engine.freshness.observing import observe
    from backup_engine.model import system_clock

    sighting = observe(deployment, opened.root, opened.server, system_clock, dags)
    judgement = judge(deployment, sighting, measures)
    return Looked(deployment=deployment.name, judgement=judgement, measures=measured(measures, sighting))


def _sighting(dag: str, purpose: str, schedule: str | None, ti: TaskInstance, now: datetime) -> DagSighting:
    try:
        there = ti.get_dag(dag)
    except AirflowRuntimeError as error:
        if (error.error.detail or {}).get("status_code") != _NOT_FOUND:
            raise
        return DagSighting(dag_id=dag, purpose=purpose, known=False)
    due = parse_cron(schedule).latest(now) if schedule else None
    # What Airflow will make next comes later: it has made the one that was due, or the schedule was another then.
    if due is None or (there.next_dagrun is not None and there.next_dagrun > due):
        made = True
    else:
        made = ti.get_dr_count(dag, logical_dates=[due]) > 0 or ti.get_dr_count(dag, states=_GOING_ON) > 0
    return DagSighting(dag_id=dag, purpose=purpose, paused=there.is_paused, due=due, made=made)


def _row(one: Looked) -> tuple[str, ...]:
    wrong = wording.listing(
        sorted({concern.kind.value for concern in one.found if concern.severity is not Severity.NOTE})
    )
    if one.judgement is None:
        return (one.deployment or "(configuration)", *["unknown"] * 7, wrong)
    its = one.judgement.protection
    return (
        one.deployment,
        its.tier.value,
        "none" if its.rpo_real is None else wording.duration(its.rpo_real),
        wording.duration(its.rpo),
        its.newest or "none",
        wording.moment(its.verified_at) if its.verified_at else "never",
        "nothing there" if its.rto_forecast is None else wording.duration(its.rto_forecast),
        wording.duration(its.rto),
        wrong or "nothing",
    )
