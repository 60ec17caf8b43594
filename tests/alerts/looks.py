"""Looks at a deployment, one after the other, and what is told of them."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from backup_engine.alerts.alert import Occasion, Told
from backup_engine.alerts.incidents import Decision, owing, raise_event, reconcile, settle
from backup_engine.alerts.ledger import Ledger
from backup_engine.freshness.concerns import Concern, ConcernKind, Severity

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
REMIND = timedelta(hours=24)
LOOK = timedelta(minutes=5)
NOTE, WARNING, CRITICAL = Severity


def concern(kind: ConcernKind, severity: Severity = WARNING, subject: str = "", **more) -> Concern:
    return Concern(kind=kind, severity=severity, subject=subject, found=f"{kind} was found", **more)


@dataclass
class Watcher:
    """Somebody who looks, and remembers.

    :param heard: when, why, of what, as how bad
    """

    now: datetime = BEGIN
    ledger: Ledger = field(default_factory=Ledger)
    heard: list[tuple[datetime, Occasion, str, Severity]] = field(default_factory=list)

    def look(
        self,
        *concerns: Concern,
        after: timedelta = LOOK,
        fresh_at: datetime | None = None,
        fresh_full_at: datetime | None = None,
    ) -> list[str]:
        """Look once, this long after the last time; give what is told. Where only one is given, it is of a full."""
        given = {"full_backup": fresh_full_at or fresh_at, "incremental_backup": fresh_at}
        fresh = {purpose: at for purpose, at in given.items() if at is not None}
        self.now += after
        return self._keep(reconcile(self.ledger, concerns, self.now, remind=REMIND, fresh=fresh))

    def runs(self, concern: Concern) -> list[str]:
        """Hear of a run that went wrong."""
        return self._keep(raise_event(self.ledger, concern, self.now))

    def settles(self, purpose: str) -> list[str]:
        """Hear of a run that went well."""
        return self._keep(settle(self.ledger, purpose, self.now))

    def owes(self, told: tuple[Told, ...], *channels: str) -> None:
        """Have failed to reach these channels."""
        self.ledger = owing(self.ledger, told, channels)

    def _keep(self, decision: Decision) -> list[str]:
        self.ledger = Ledger.model_validate_json(decision.ledger.model_dump_json(exclude_defaults=True))
        assert self.ledger == decision.ledger
        self.heard += [(self.now, one.occasion, one.concern.key, one.concern.severity) for one in decision.told]
        return [f"{one.occasion}: {one.concern.key}" for one in decision.told]
