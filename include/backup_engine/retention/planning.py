"""Which backups a store keeps and which it lets go of, each with its reasons. Pure.

Ages are counted back from the newest good backup, never from now: an outage makes nothing older. ``now`` decides only
what is from the future and which pins have ended.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from zoneinfo import ZoneInfo

from backup_engine import wording
from backup_engine.archive.manifest import BackupKind
from backup_engine.backup import Backup
from backup_engine.chain import Backups, bases_of, by_name, lacking, unbroken
from backup_engine.collector import uncollected
from backup_engine.retention import rules
from backup_engine.retention.plan import Kept, LetGo, Quarantined, RetentionPlan
from backup_engine.retention.policy import Policy
from backup_engine.retention.rules import Reason, spoken

_FEW = 3
"""Fewer sound backups than these may go at once, whatever share of all they are."""

_THINNED = "thinned out"
"""As often as schedules bring them; what they stood for is still there, so nobody is asked."""


@dataclass(frozen=True, slots=True)
class CopyHolding:
    """What a copy holds.

    :param place: its address for people
    :param names: of the backups it holds; None: it does not answer, and counts as one that holds nothing
    """

    place: str
    names: frozenset[str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What is around the store that is decided about.

    :param in_use: by name, what needs a backup now: a capture in progress, an unfinished restore, the standby
    :param copies: of the primary; a backup waits for those that should hold it
    :param copy_grace: how long it waits before a person is asked
    :param primary: names that the primary holds, where the store is a copy: none of them goes; None: it is the primary
    :param share_limit: share of the sound backups that may go before a person is asked
    """

    deployment: str
    store: str
    store_id: str
    in_use: Mapping[str, str] | None = None
    copies: Sequence[CopyHolding] = ()
    copy_grace: timedelta = timedelta(days=7)
    primary: Collection[str] | None = None
    share_limit: float = 1.0


@uncollected()
def plan_retention(
    backups: Iterable[Backup],
    policy: Policy,
    now: datetime,
    setting: Setting,
    quarantine: Sequence[Quarantined] = (),
) -> RetentionPlan:
    """Decide about every backup.

    :param backups: those that can be decided about, in any order; ``quarantined`` gives them
    :param quarantine: what is left alone, to be told in the plan
    """
    every = sorted(backups, key=lambda one: (one.captured_at, one.name), reverse=True)
    known = by_name(every)
    unhurt = unbroken(known)
    sound = [one for one in every if one.name in unhurt and one.good_whole and not one.damaged]
    anchor = sound[0].captured_at if sound else None
    reasons = _closed(_reasons(every, sound, policy, anchor, now, setting), known)
    going = [one for one in every if one.name not in reasons]
    waiting, asks = _copies_first(going, {one.name for one in sound}, setting, anchor or now)
    reasons = _closed(rules.collected(_pairs(reasons), waiting), known)
    names = frozenset(one.name for one in sound)
    delete = [
        _let_go(one, _rule(one, policy, names, anchor or now), asks.get(one.name))
        for one in _leaves_first(every)
        if one.name not in reasons
    ]
    return RetentionPlan(
        deployment=setting.deployment,
        store=setting.store,
        store_id=setting.store_id,
        made_at=now,
        anchor=anchor,
        keep=tuple(_kept(one, reasons[one.name]) for one in every if one.name in reasons),
        delete=tuple(delete),
        quarantine=tuple(quarantine),
        questions=tuple(_questions(delete, names, reasons, setting)),
    )


def is_sound(backup: Backup, backups: Backups) -> bool:
    """Tell whether a backup counts: good, of the whole scope, not found damaged, and all it hangs on is there."""
    return backup.good_whole and not backup.damaged and lacking(backup, backups) is None


def _reasons(
    every: Sequence[Backup],
    sound: Sequence[Backup],
    policy: Policy,
    anchor: datetime | None,
    now: datetime,
    setting: Setting,
) -> Mapping[str, list[str]]:
    if anchor is None:
        return {one.name: ["there is no good backup here: nothing goes"] for one in every}
    there = {one.name for one in every}
    primary = setting.primary or ()
    return rules.collected(
        rules.floors(sound),
        rules.slots(sound, policy.slots, ZoneInfo(policy.zone)),
        rules.increments(sound, policy.incremental, anchor),
        rules.pinned(every, now),
        rules.young(every, {one.name for one in sound}, policy, anchor),
        ((name, why) for name, why in (setting.in_use or {}).items() if name in there),
        ((name, "the primary holds it") for name in sorted(primary) if name in there),
    )


def _closed(reasons: Mapping[str, Sequence[str]], known: Backups) -> dict[str, list[str]]:
    """Keep what the kept ones hang on, and say which of them is the newest that does."""
    closed = {name: [*said] for name, said in reasons.items()}
    waiting = sorted((known[name] for name in reasons), key=lambda one: (one.captured_at, one.name))
    while waiting:
        one = waiting.pop()
        for name in sorted(bases_of(one)):
            if name in known and name not in closed:
                closed[name] = [f"{one.name} hangs on it"]
                waiting.append(known[name])
    return closed


def _copies_first(
    going: Sequence[Backup], sound: Collection[str], setting: Setting, anchor: datetime
) -> tuple[list[Reason], dict[str, str]]:
    """Let nothing go from the primary that a copy should hold and does not: first it waits, then somebody is asked."""
    waiting: list[Reason] = []
    asks: dict[str, str] = {}
    for one in going:
        missing = [copy.place for copy in setting.copies if one.name not in (copy.names or ())]
        if not missing or one.name not in sound:
            continue
        where = wording.listing(missing)
        if anchor - one.captured_at < setting.copy_grace:
            waiting.append((one.name, f"waits for its copy in {where}"))
        else:
            asks[one.name] = f"{one.name} is not in {where}: it would be gone for good there"
    return waiting, asks


def _leaves_first(every: Sequence[Backup]) -> Iterator[Backup]:
    """Give each backup after all that hang on it, newest first otherwise."""
    hanging = dict.fromkeys((one.name for one in every), 0)
    for name in chain.from_iterable(bases_of(one) for one in every):
        hanging[name] = hanging.get(name, 0) + 1
    left = {one.name: one for one in every}
    while left:
        free = [name for name in left if not hanging[name]] or [*left]  # a circle ends, too
        for name in free:
            one = left.pop(name)
            for base in bases_of(one):
                hanging[base] -= 1
            yield one


def _let_go(one: Backup, reason: str, asks: str | None) -> LetGo:
    return LetGo(
        name=one.name,
        folder=one.folder,
        kind=one.kind,
        captured_at=one.captured_at,
        bytes=one.bytes,
        run_key=one.outline.run_key,
        fingerprint=one.outline.fingerprint,
        reason=reason,
        asks=asks,
    )


def _rule(one: Backup, policy: Policy, sound: Collection[str], anchor: datetime) -> str:
    if one.name not in sound:
        allowed, what = rules.aside(one, policy)
        return f"{what}, and older than {spoken(allowed)}"
    if one.kind is BackupKind.FULL:
        return f"stands for no day, week or month of {policy.slots}"
    if anchor - one.captured_at > policy.incremental.thinned_for:
        return f"an incremental older than {spoken(policy.incremental.thinned_for)}"
    return f"{_THINNED}: another one stands for its {spoken(policy.incremental.every)}"


def _questions(
    delete: Sequence[LetGo], sound: Collection[str], reasons: Mapping[str, Sequence[str]], setting: Setting
) -> Iterator[str]:
    counted = [one for one in delete if one.name in sound and not one.reason.startswith(_THINNED)]
    among = len(counted) + sum(name in sound for name in reasons)
    if len(counted) >= _FEW and len(counted) > setting.share_limit * among:
        share = round(100 * len(counted) / among)
        yield (
            f"{len(counted):,} of {wording.count(among, 'good backup')} would go at once ({share} %; up to "
            f"{round(100 * setting.share_limit)} % go without asking): was the policy changed, or a clock?"
        )
    alone = [one.asks for one in delete if one.asks]
    if alone:
        more = f", and {len(alone) - 1:,} more like it" if len(alone) > 1 else ""
        yield f"{alone[0]}{more}; bring it there with sync, or agree that it goes"


def _kept(one: Backup, reasons: Sequence[str]) -> Kept:
    return Kept(
        name=one.name,
        folder=one.folder,
        kind=one.kind,
        captured_at=one.captured_at,
        bytes=one.bytes,
        reasons=tuple(dict.fromkeys(reasons)),
    )


def _pairs(reasons: Mapping[str, Iterable[str]]) -> Iterator[Reason]:
    return ((name, why) for name, said in reasons.items() for why in said)
