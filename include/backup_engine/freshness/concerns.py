"""What may be wrong with a deployment's protection, in words for somebody who was asleep."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from backup_engine.model import Document, Moment


class Severity(StrEnum):
    """How bad it is.

    * note: worth knowing; no promise is broken by it, nobody is told
    * warning: a promise will be broken if nobody does anything
    * critical: a promise is broken, or the next loss cannot be made good
    """

    NOTE = "note"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """The higher the worse."""
        return (*Severity,).index(self)


class ConcernKind(StrEnum):
    """What is wrong. With deployment and subject it tells one concern from another, today and tomorrow."""

    RUN_FAILED = "run-failed"
    RUN_LATE = "run-late"
    BACKUP_PARTIAL = "backup-partial"
    BACKUP_SUSPECT = "backup-suspect"

    CONFIGURATION_UNREADABLE = "configuration-unreadable"
    DEPLOYMENT_INVALID = "deployment-invalid"
    NOT_JUDGED = "not-judged"
    SERVER_UNREACHABLE = "server-unreachable"
    SERVER_LOADING = "server-loading"
    STORE_UNREACHABLE = "store-unreachable"
    COPY_UNREACHABLE = "copy-unreachable"
    DAG_MISSING = "dag-missing"
    DAG_PAUSED = "dag-paused"
    NO_RUN = "no-run"
    RECOVERY_POINT_OLD = "recovery-point-old"
    SCHEDULE_TOO_RARE = "schedule-too-rare"
    NEWEST_DAMAGED = "newest-damaged"
    VERIFICATION_OLD = "verification-old"
    MANIFEST_UNREADABLE = "manifest-unreadable"
    QUARANTINED = "quarantined"
    COPY_BEHIND = "copy-behind"
    STANDBY_BEHIND = "standby-behind"
    ONE_PLACE = "one-place"
    PRUNING_OLD = "pruning-old"
    STORE_GREW = "store-grew"
    STORE_SHRANK = "store-shrank"
    STORE_NEARLY_FULL = "store-nearly-full"
    CLOCKS_APART = "clocks-apart"
    RESTORE_TOO_SLOW = "restore-too-slow"


EVENTS = frozenset({
    ConcernKind.RUN_FAILED,
    ConcernKind.RUN_LATE,
    ConcernKind.BACKUP_PARTIAL,
    ConcernKind.BACKUP_SUSPECT,
})
"""What a run says about itself. All others are seen by looking, and are over when the next look does not see them."""


class Concern(Document):
    """One thing that is wrong.

    :param subject: what it is about, where there are several: a purpose, a place, a clock; empty where there is one
    :param found: one sentence: what was expected, what was found
    :param risk: one sentence: what is lost if nothing is done; empty where ``found`` says it
    :param remedy: what to do, the likeliest first
    :param since: when it began, where that can be known; else whoever sees it first says when
    :param grace_seconds: told only once it was seen for this long: what mends itself meanwhile wakes nobody
    """

    kind: ConcernKind
    severity: Severity
    subject: str = ""
    found: str
    risk: str = ""
    remedy: str = ""
    since: Moment | None = None
    grace_seconds: float = Field(default=0.0, ge=0)

    @property
    def key(self) -> str:
        """Tells it from every other concern of its deployment."""
        return f"{self.kind}:{self.subject}" if self.subject else self.kind.value
