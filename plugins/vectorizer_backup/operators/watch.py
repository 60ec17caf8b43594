"""The watch's tasks: look at every deployment, tell people, send a heartbeat, send metrics."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, TriggerRule
from airflow.sdk.exceptions import AirflowSkipException

from backup_engine import wording
from backup_engine.errors import NobodyTold, NotJudged
from vectorizer_backup.dag_defaults import deployments

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from airflow.sdk import Context

    from backup_engine.alerts.incidents import Decision
    from backup_engine.alerts.ledger import Ledger
    from backup_engine.alerts.settings import AlertSettings
    from backup_engine.deployments import Loaded
    from vectorizer_backup.notifications.looking import Look
    from vectorizer_backup.watching import Looked, Watched

TABLE = "table"
"""Under this key lies how the deployments stand, for people."""

_PATIENCE = 30.0
"""Seconds to try out what may be the cause before people are told."""


class LookOperator(BaseOperator):
    """Reads the configuration, looks at every deployment, and judges it. Hands on a ``Watched``."""

    def execute(self, context: Context) -> None:
        """Look.

        :raises NotJudged: something broke while one was judged; what was found out about the others is handed on
        """
        from backup_engine.model import system_clock
        from vectorizer_backup.watching import look_at_all, table_of

        ti = context["ti"]
        watched, broken = look_at_all(deployments(), ti, system_clock())
        table = table_of(watched.looked)
        for line in table.splitlines():
            self.log.info("%s", line)
        for one in watched.looked:
            for concern in one.found:
                self.log.info("%s: %s: %s", one.deployment or "configuration", concern.severity.value, concern.found)
        ti.xcom_push(key=TABLE, value=table)
        ti.xcom_push(key="return_value", value=watched.model_dump(mode="json"))
        for name, error in broken.items():
            self.log.error("%s could not be judged", name, exc_info=error)
        if broken:
            raise NotJudged(f"{wording.listing(sorted(broken))} could not be judged; the log above says why")


class _AfterLook(BaseOperator):
    """Works with what the look found.

    :param watched: from ``LookOperator``
    """

    template_fields = ("watched",)

    def __init__(self, *, watched: Mapping[str, object] | None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.watched = watched

    @property
    def seen(self) -> Watched | None:
        """What the look found; None: it broke, and handed nothing on."""
        from vectorizer_backup.watching import Watched

        return Watched.model_validate(self.watched) if self.watched else None


class TellOperator(_AfterLook):
    """Tells each deployment's channels what is new, and what they are still owed, even if the look broke."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(trigger_rule=TriggerRule.ALL_DONE, **kwargs)

    def execute(self, context: Context) -> None:
        """Tell.

        :raises NobodyTold: somebody is still owed something: a channel failed, or there is none
        """
        from backup_engine.model import system_clock
        from vectorizer_backup.watching import remember_settings_of, settings_of

        loaded = deployments()
        remember_settings_of(loaded)
        settings, now = settings_of(loaded), system_clock()
        problems = [problem for one in self._looked() if (problem := self._tell(one, loaded, settings, now))]
        if problems:
            raise NobodyTold("; ".join(problems))

    def _looked(self) -> tuple[Looked, ...]:
        from vectorizer_backup.watching import Looked, not_judged

        if self.seen is not None:
            return self.seen.looked
        return (Looked(deployment="", concerns=(not_judged("", "the watch broke off; its log says why"),)),)

    def _tell(self, one: Looked, loaded: Loaded, settings: AlertSettings | None, now: datetime) -> str:
        """Tell of one deployment; give what stood in the way, or nothing."""
        from vectorizer_backup.notifications.memory import recall
        from vectorizer_backup.notifications.telling import tell
        from vectorizer_backup.watching import owed_channels

        name = one.deployment
        try:
            seen = recall(name)
            decision = decide(seen, one, settings, now)
            for told in decision.told:
                self.log.info("%s: %s: %s", name or "configuration", told.occasion.value, told.concern.key)
            tell(name, seen, decision, now, partial(_look, name, loaded, decision))
            owed = owed_channels(recall(name)) if decision.told else ()
        except NobodyTold as error:
            return str(error)
        except Exception as error:  # the others are to be told of all the same
            self.log.exception("People could not be told about %s", name or "the configuration")
            return f"{name or 'the configuration'}: {type(error).__name__}"
        return f"{name or 'the configuration'}: not told through {', '.join(owed)}" if owed else ""


class HeartbeatOperator(_AfterLook):
    """Calls the dead-man address when all is well, and nobody is owed anything; skipped otherwise."""

    def execute(self, context: Context) -> None:
        """Call it.

        :raises AirflowSkipException: none is configured, or something is wrong
        :raises ServerUnavailable: it gave no good answer
        """
        from backup_engine.model import system_clock
        from vectorizer_backup.heartbeat import send_heartbeat
        from vectorizer_backup.watching import settings_of, why_unwell

        settings = settings_of(deployments())
        if settings is None or settings.heartbeat is None:
            raise AirflowSkipException(
                "no heartbeat is configured: `alerts.heartbeat` in deployments.yaml names its connection"
            )
        unwell = why_unwell(_ledgers(self.seen), system_clock())
        if unwell:
            raise AirflowSkipException(f"not all is well: {wording.listing(unwell, most=20)}")
        self.log.info("All is well, and %s was told so", send_heartbeat(settings.heartbeat))


class MetricsOperator(_AfterLook):
    """Sends the metrics, and leaves them in the file that the configuration names, whatever became of the look."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(trigger_rule=TriggerRule.ALL_DONE, **kwargs)

    def execute(self, context: Context) -> None:
        """Send them.

        :raises ConfigurationError: the file cannot be written
        """
        from vectorizer_backup.metrics import emit
        from vectorizer_backup.watching import settings_of

        watched = self.seen
        if watched is None:
            raise AirflowSkipException("nothing was looked at")
        ledgers = _ledgers(watched)
        judgements = [one.judgement for one in watched.looked if one.judgement is not None]
        for judgement in judgements:
            emit(judgement, ledgers[judgement.protection.deployment])
        settings = settings_of(deployments())
        if settings is not None and settings.metrics_file is not None:
            from backup_engine.freshness.metrics import exposition, write_metrics_file

            write_metrics_file(Path(settings.metrics_file), exposition(judgements, ledgers, watched.unjudged))
            self.log.info("Written to %s", settings.metrics_file)


def decide(seen: Ledger, one: Looked, settings: AlertSettings | None, now: datetime) -> Decision:
    """Decide what people are told of one deployment, and keep what its places held. Pure."""
    from backup_engine.alerts.incidents import Decision, reconcile
    from backup_engine.alerts.settings import REMIND

    fresh = one.judgement.protection.fresh_for if one.judgement else None
    decision = reconcile(seen, one.found, now, remind=settings.remind if settings else REMIND, fresh=fresh)
    if one.judgement is None:
        return decision
    return Decision(decision.told, decision.ledger.model_copy(update={"measures": one.measures}))


def _look(name: str, loaded: Loaded, decision: Decision) -> Look:
    from backup_engine.alerts.alert import Occasion
    from vectorizer_backup.notifications.looking import Look, look_at

    deployment = loaded.deployments.get(name)
    if deployment is None:
        return Look(None, loaded.problems.get(name, "") if name else "")
    return look_at(deployment, _PATIENCE, probing=any(one.occasion is not Occasion.RECOVERED for one in decision.told))


def _ledgers(watched: Watched | None) -> dict[str, Ledger]:
    from vectorizer_backup.notifications.memory import recall

    return {one.deployment: recall(one.deployment) for one in watched.looked} if watched else {}
