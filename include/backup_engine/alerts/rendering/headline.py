"""The first line: it alone must do for somebody who reads it on a phone at night."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from backup_engine import wording
from backup_engine.alerts.alert import Alert, Occasion, Told
from backup_engine.alerts.rendering.cleaning import one_line, shorten
from backup_engine.freshness.concerns import Concern, ConcernKind

K = ConcernKind

_MOST = 119
_SUBJECT = 48
_NAME = 40


class _Phrases(NamedTuple):
    """What is wrong in a few words, and what is right again; ``{}`` is what it is about."""

    wrong: str
    over: str


_PHRASES: Mapping[ConcernKind, _Phrases] = {
    K.RUN_FAILED: _Phrases("{} failed", "{} runs well again"),
    K.RUN_LATE: _Phrases("{} is late", "{} is through"),
    K.BACKUP_PARTIAL: _Phrases("backup is partial", "backups are whole again"),
    K.BACKUP_SUSPECT: _Phrases("backup is suspect", "backups are good again"),
    K.CONFIGURATION_UNREADABLE: _Phrases(
        "cannot be read, nothing is watched", "can be read again, everything is watched"
    ),
    K.DEPLOYMENT_INVALID: _Phrases("configuration is invalid, it is not backed up", "configuration is valid again"),
    K.NOT_JUDGED: _Phrases("cannot be watched", "is watched again"),
    K.SERVER_UNREACHABLE: _Phrases("server gives no answer", "server answers again"),
    K.SERVER_LOADING: _Phrases("server is still loading", "server has loaded everything"),
    K.STORE_UNREACHABLE: _Phrases("backup store cannot be reached", "backup store can be reached again"),
    K.COPY_UNREACHABLE: _Phrases("copy {} cannot be reached", "copy {} can be reached again"),
    K.DAG_MISSING: _Phrases("{} has no DAG", "{} has its DAG again"),
    K.DAG_PAUSED: _Phrases("{} is paused", "{} is no longer paused"),
    K.NO_RUN: _Phrases("{} does not run", "{} runs again"),
    K.RECOVERY_POINT_OLD: _Phrases("newest recovery point is too old", "recovery point is fresh again"),
    K.SCHEDULE_TOO_RARE: _Phrases("backups are scheduled too rarely", "schedule and promise agree again"),
    K.NEWEST_DAMAGED: _Phrases("newest backup is damaged in {}", "newest backup is whole again in {}"),
    K.VERIFICATION_OLD: _Phrases("nothing was verified for too long", "backups are verified again"),
    K.MANIFEST_UNREADABLE: _Phrases("manifests cannot be read in {}", "all manifests can be read again in {}"),
    K.COPY_BEHIND: _Phrases("copy {} is behind", "copy {} has caught up"),
    K.STANDBY_BEHIND: _Phrases("standby is behind", "standby has caught up"),
    K.QUARANTINED: _Phrases("backups that cannot be what they say in {}", "nothing is in quarantine any more in {}"),
    K.PRUNING_OLD: _Phrases("nothing was pruned for too long", "old backups are pruned again"),
    K.ONE_PLACE: _Phrases("all backups lie in one place", "backups lie in several places again"),
    K.STORE_GREW: _Phrases("backups grew oddly in {}", "size of backups is usual again in {}"),
    K.STORE_SHRANK: _Phrases("backups shrank or vanished in {}", "size of backups is usual again in {}"),
    K.STORE_NEARLY_FULL: _Phrases("store is nearly full: {}", "store has room again: {}"),
    K.CLOCKS_APART: _Phrases("clocks are apart: {}", "clocks agree again: {}"),
    K.RESTORE_TOO_SLOW: _Phrases("a restore would take too long", "a restore would be fast enough again"),
}

_PURPOSES: Mapping[str, str] = {
    "full_backup": "full backup",
    "incremental_backup": "incremental backup",
    "verification": "verification",
    "restore": "restore",
    "sync": "copying",
    "standby": "standby",
    "after_restore": "clean-up after a restore",
    "pruning": "pruning",
}

_ON = frozenset({K.RUN_FAILED, K.RUN_LATE, K.DAG_MISSING, K.DAG_PAUSED, K.NO_RUN})
"""About a purpose."""

_AGE_SAYS_NOTHING = frozenset({K.CONFIGURATION_UNREADABLE, K.DEPLOYMENT_INVALID, K.SCHEDULE_TOO_RARE, K.ONE_PLACE})

_LATER = (Occasion.WORSE, Occasion.RAISED, Occasion.REMINDER, Occasion.RECOVERED)


def worst_first(alert: Alert) -> tuple[Told, ...]:
    """Sort what is told: good news last, the worst first, and news before what was said already."""
    return tuple(
        sorted(
            alert.told,
            key=lambda one: (
                one.occasion is Occasion.RECOVERED,
                -one.concern.severity.rank,
                _LATER.index(one.occasion),
                one.since,
            ),
        )
    )


def title(alert: Alert) -> str:
    """Say it in one line of less than 120 characters: how bad, where, what is the worst, how much more there is.

    Safe as a mail's subject: it holds nothing but characters that are seen, and blanks.
    """
    every = worst_first(alert)
    where = one_line(alert.deployment, _NAME) or "configuration"
    begin, more = f"{marked(every[0])} {where}: ", _more(every)
    words = in_words(every[0])
    longer = _with_age(every[0], alert, words)
    whole = begin + (longer if len(begin + longer + more) <= _MOST else words)
    return shorten(whole, _MOST - len(more)) + more


def marked(told: Told) -> str:
    """Say how bad it is, and whether it is new: "CRITICAL", "WARNING (still)", "CRITICAL (worse)", "RECOVERED"."""
    severity = told.concern.severity.value.upper()
    return {
        Occasion.RAISED: severity,
        Occasion.WORSE: f"{severity} (worse)",
        Occasion.REMINDER: f"{severity} (still)",
        Occasion.RECOVERED: "RECOVERED",
    }[told.occasion]


def in_words(told: Told) -> str:
    """Say in a few words what is wrong, or right again."""
    phrases = _PHRASES[told.concern.kind]
    phrase = phrases.over if told.occasion is Occasion.RECOVERED else phrases.wrong
    return phrase.replace("{}", _about(told.concern))


def _with_age(worst: Told, alert: Alert, words: str) -> str:
    """Add what decides how urgent it is: how much would be lost."""
    known = alert.protection
    if known is None or worst.occasion is Occasion.RECOVERED or worst.concern.kind in _AGE_SAYS_NOTHING:
        return words
    if known.rpo_real is None:
        return f"{words}, there is no recovery point"
    if worst.concern.kind is K.RECOVERY_POINT_OLD:
        return (
            f"newest recovery point is {wording.duration(known.rpo_real)} old, {wording.duration(known.rpo)} promised"
        )
    return f"{words}, newest recovery point {wording.duration(known.rpo_real)} old"


def _about(concern: Concern) -> str:
    if concern.kind in _ON:
        return _PURPOSES.get(concern.subject) or one_line(concern.subject, _SUBJECT) or "a run"
    return one_line(concern.subject, _SUBJECT) or "the store"


def _more(every: tuple[Told, ...]) -> str:
    bad = sum(one.occasion is not Occasion.RECOVERED for one in every)
    if not bad:
        return f", +{len(every) - 1:,} more" if len(every) > 1 else ""
    more = f", +{bad - 1:,} more" if bad > 1 else ""
    return more + (f", {len(every) - bad:,} over" if len(every) > bad else "")
