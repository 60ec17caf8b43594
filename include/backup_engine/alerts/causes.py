"""What explains what, and what cannot be seen while something else is wrong: one cause, one message. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from backup_engine.freshness.concerns import EVENTS, Concern, ConcernKind

K = ConcernKind

_ANY = "*"
_SAME = "="

FULL_BACKUP, INCREMENTAL_BACKUP = "full_backup", "incremental_backup"
VERIFICATION, SYNC, STANDBY, PRUNING = "verification", "sync", "standby", "pruning"
_BACKUPS = (FULL_BACKUP, INCREMENTAL_BACKUP)


class Cause(NamedTuple):
    """What may be behind a concern.

    :param subject: which of that kind; ``=``: the one with the concern's own subject, ``*``: each
    :param of: only concerns with these subjects come of it; empty: all
    """

    kind: ConcernKind
    subject: str = _ANY
    of: tuple[str, ...] = ()


_BLINDING = (Cause(K.CONFIGURATION_UNREADABLE), Cause(K.DEPLOYMENT_INVALID), Cause(K.NOT_JUDGED))
"""Nothing is looked at."""

_STORE = Cause(K.STORE_UNREACHABLE)
_ITS_COPY = Cause(K.COPY_UNREACHABLE, _SAME)
_SERVER = Cause(K.SERVER_UNREACHABLE)
_NO_DAG = Cause(K.DAG_MISSING, _SAME)
_PAUSED = Cause(K.DAG_PAUSED, _SAME)

_HIDDEN: Mapping[ConcernKind, tuple[Cause, ...]] = {
    K.SERVER_LOADING: (_SERVER,),
    K.DAG_PAUSED: (_NO_DAG,),
    K.NO_RUN: (_NO_DAG, _PAUSED),
    K.RECOVERY_POINT_OLD: (_STORE,),
    K.SCHEDULE_TOO_RARE: (_STORE,),
    K.NEWEST_DAMAGED: (_STORE, _ITS_COPY),
    K.VERIFICATION_OLD: (_STORE, _ITS_COPY),
    K.MANIFEST_UNREADABLE: (_STORE, _ITS_COPY),
    K.QUARANTINED: (_STORE, _ITS_COPY),
    K.COPY_BEHIND: (_STORE, _ITS_COPY),
    K.PRUNING_OLD: (_STORE,),
    K.STANDBY_BEHIND: (_STORE,),
    K.STORE_GREW: (_STORE, _ITS_COPY),
    K.STORE_SHRANK: (_STORE, _ITS_COPY),
    K.STORE_NEARLY_FULL: (_STORE, _ITS_COPY),
    K.CLOCKS_APART: (_SERVER, _STORE, Cause(K.COPY_UNREACHABLE)),
    K.RESTORE_TOO_SLOW: (_STORE,),
}


def _runs(purpose: str, *kinds: ConcernKind) -> tuple[Cause, ...]:
    return tuple(Cause(kind, purpose) for kind in kinds)


_IDLE = (K.DAG_MISSING, K.DAG_PAUSED, K.NO_RUN)

EXPLAINED_BY: Mapping[ConcernKind, tuple[Cause, ...]] = {
    K.RUN_LATE: (
        Cause(K.RUN_FAILED, _SAME),
        _PAUSED,
        _NO_DAG,
        _STORE,
        _SERVER._replace(of=(*_BACKUPS, "restore", "after_restore")),
        Cause(K.SERVER_LOADING, of=(*_BACKUPS, "restore", "after_restore")),
    ),
    K.RUN_FAILED: (
        _SERVER._replace(of=_BACKUPS),
        _STORE._replace(of=(*_BACKUPS, VERIFICATION, SYNC, STANDBY, PRUNING)),
        Cause(K.COPY_UNREACHABLE, of=(VERIFICATION, SYNC, PRUNING)),
    ),
    K.NO_RUN: (Cause(K.RUN_LATE, _SAME),),
    K.RECOVERY_POINT_OLD: (
        *(
            cause
            for purpose in _BACKUPS
            for cause in _runs(purpose, K.RUN_FAILED, K.RUN_LATE, K.BACKUP_PARTIAL, K.BACKUP_SUSPECT, *_IDLE)
        ),
        Cause(K.NEWEST_DAMAGED),
        _SERVER,
        Cause(K.SERVER_LOADING),
    ),
    K.SCHEDULE_TOO_RARE: (Cause(K.RECOVERY_POINT_OLD),),
    K.VERIFICATION_OLD: (Cause(K.RECOVERY_POINT_OLD), *_runs(VERIFICATION, K.RUN_FAILED, K.RUN_LATE, *_IDLE)),
    K.STANDBY_BEHIND: _runs(STANDBY, K.RUN_FAILED, K.RUN_LATE, *_IDLE),
    K.PRUNING_OLD: (
        *_runs(PRUNING, K.RUN_FAILED, K.RUN_LATE, *_IDLE),
        *_runs(FULL_BACKUP, K.RUN_FAILED, *_IDLE),
        Cause(K.RECOVERY_POINT_OLD),
    ),
    K.COPY_BEHIND: (
        *_runs(SYNC, K.RUN_FAILED, K.RUN_LATE, *_IDLE),
        *_runs(FULL_BACKUP, K.RUN_FAILED),
        *_runs(INCREMENTAL_BACKUP, K.RUN_FAILED),
    ),
}
"""Beside what hides it: while one of these is open, and was told as no less bad, it stays untold."""


def hidden_by(concern: Concern) -> tuple[Cause, ...]:
    """Tell what keeps a look from seeing it: while that is so, not seeing it does not mean that it is over."""
    if concern.kind in EVENTS or concern.kind in {one.kind for one in _BLINDING}:
        return ()
    return (*_BLINDING, *_HIDDEN.get(concern.kind, ()))


def explained_by(concern: Concern) -> tuple[Cause, ...]:
    """Tell what may be behind it."""
    return (*hidden_by(concern), *EXPLAINED_BY.get(concern.kind, ()))


def is_cause(cause: Cause, other: Concern, concern: Concern) -> bool:
    """Tell whether another concern is what may be behind this one."""
    subject = concern.subject if cause.subject == _SAME else cause.subject
    return (
        other.kind is cause.kind and subject in {_ANY, other.subject} and (not cause.of or concern.subject in cause.of)
    )
