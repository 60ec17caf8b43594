"""A second server that is kept as close behind as backups come: brought up to date, and compared as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from vectorizer_backup.dag_defaults import deployments
from vectorizer_backup.progress import ProgressLog
from vectorizer_backup.restoring import read_with_of
from vectorizer_backup.retrying import ErrorClassPolicy

if TYPE_CHECKING:
    from datetime import datetime

    from airflow.sdk import Context
    from pydantic import JsonValue

    from backup_engine.deployment import Deployment
    from backup_engine.standby.outcome import Applied
    from backup_engine.standby.party import Party


class StandbyOperator(BaseOperator):
    """Works on a deployment's standby.

    :param deployment: names the standby
    :raises ConfigurationError: it names none
    """

    def __init__(self, *, deployment: Deployment, **kwargs: Any) -> None:
        super().__init__(**{"retry_policy": ErrorClassPolicy(), **kwargs})
        self.deployment = deployment

    def party(self, context: Context) -> Party:
        """Put together who takes part."""
        from backup_engine.errors import ConfigurationError
        from backup_engine.model import system_clock
        from backup_engine.standby.party import Party
        from backup_engine.standby.state import standby_id
        from vectorizer_backup.connecting import owner, server_of, store_of_deployment

        settings = self.deployment.standby
        if settings is None:
            raise ConfigurationError(f"deployment {self.deployment.name!r} names no standby any more")
        read_with = read_with_of(self.deployment, settings.connection, deployments().deployments.values())
        return Party(
            store=store_of_deployment(self.deployment)[0],
            server=server_of(settings.connection, read_with),
            standby=standby_id(settings.connection),
            deployment=self.deployment.name,
            clock=system_clock,
            owner=owner(context),
            progress=ProgressLog(self.log.info),
        )

    def tell(self, text: str) -> None:
        """Write the outcome into the log."""
        for line in text.splitlines():
            self.log.info("%s", line)


class ApplyToStandbyOperator(StandbyOperator):
    """Brings the standby to the newest good backup that can be restored: what changed is written, what is gone deleted.

    Stopped anywhere, it goes on where it was. Hands on which backup the standby holds, how old that is
    (``lag_seconds``, from when reading it began), and what was done.

    :raises LeaseHeld: somebody else brings it up to date this moment
    :raises RestoreRefused: it was promoted, somebody wrote to it, or it cannot take what the backup holds
    :raises ComparisonFailed: it does not hold what it was given; the next attempt loads that anew
    """

    def execute(self, context: Context) -> JsonValue:
        """Apply."""
        from backup_engine.model import system_clock
        from backup_engine.standby.applying import apply_newest
        from backup_engine.standby.description import describe_applied

        applied = apply_newest(self.party(context))
        self.tell(describe_applied(applied))
        return _handed_on(applied, system_clock())


class CompareStandbyOperator(StandbyOperator):
    """Reads all that the standby holds and compares every record with the backup it was brought to.

    :raises ComparisonFailed: something is wrong; the next apply loads it anew
    :raises RestoreRefused: nothing was brought to it yet, a change is unfinished, or it was promoted
    """

    def execute(self, context: Context) -> JsonValue:
        """Compare."""
        from backup_engine.standby.comparing import compare_whole, require_equal
        from backup_engine.standby.description import describe_comparison

        found = compare_whole(self.party(context))
        self.tell(describe_comparison(found))
        require_equal(found)
        return found.model_dump(mode="json")


def _handed_on(applied: Applied, now: datetime) -> dict[str, JsonValue]:
    from backup_engine.standby.plan import StandbyAction

    def names(*actions: StandbyAction) -> list[JsonValue]:
        return [one.name for one in applied.collections if one.action in actions]

    return {
        "backup": applied.backup,
        "started_at": applied.started_at.isoformat(),
        "captured_at": applied.captured_at.isoformat(),
        "applied_at": applied.applied_at.isoformat(),
        "lag_seconds": max(0.0, (now - applied.started_at).total_seconds()),
        "seconds": applied.seconds,
        "already": applied.already,
        "changed": names(StandbyAction.APPLY),
        "loaded": names(StandbyAction.LOAD, StandbyAction.ALIGN),
        "dropped": names(StandbyAction.DROP),
        "upserts": sum(one.upserts for one in applied.collections),
        "deletions": sum(one.deletions for one in applied.collections),
    }
