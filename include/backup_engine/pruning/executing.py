"""Carrying a plan out: at every instant each backup that stays can be restored, and whoever comes next can go on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from backup_engine.archive.manifest import records_prefix
from backup_engine.backup import Backup
from backup_engine.chain import bases_of
from backup_engine.lease import HeldLease, acquire
from backup_engine.model import Clock
from backup_engine.outline import fingerprint_of
from backup_engine.pruning.checks import check_clock, check_current, check_remainder
from backup_engine.pruning.erasing import erase, take_back
from backup_engine.pruning.journal import Journal, forget_old
from backup_engine.pruning.leftovers import Remains, remains
from backup_engine.pruning.planning import Look, look
from backup_engine.pruning.report import Deleted, PruningReport, Spared
from backup_engine.pruning.site import Site
from backup_engine.pruning.sweeping import sweep_held
from backup_engine.records import Withdrawal, write_record
from backup_engine.retention.plan import LetGo, RetentionPlan
from backup_engine.storage.identity import check_identity

LEASE = "pruning"
"""The lease's name: one pruning at a time in a store."""
HELD = timedelta(minutes=15)
"""How long a pruning that died keeps others waiting; renewed before whatever deletes."""
BATCH = 100
"""Backups that go between two looks at the store."""


def prune(
    plan: RetentionPlan, site: Site, clock: Clock, *, by: str, token: str, approved_by: str | None = None
) -> PruningReport:
    """Delete what a plan lets go of, and what dead runs have left. Doing it again, or after it died, goes on with it.

    First everything is decided anew from manifests. Then each batch is withdrawn, staging and the catalog are looked
    at once more, and what is needed by then is spared.

    :param by: who prunes, for whoever meets the lease
    :param token: a word that no other pruning has
    :param approved_by: who agreed, where the plan asks
    :raises StalePlan: the retention would not do that now
    :raises ClockDiffers: the store's clock and ours are apart
    :raises PruningRefused: nobody agreed, or nothing worth having would remain
    :raises WrongStore: the plan is another store's
    :raises LeaseHeld: another pruning works on this store
    """
    check_identity(site.store, plan.store_id)
    with acquire(site.store, LEASE, by, HELD, clock) as held:
        check_clock(site.store, clock, token)
        fresh = look(site, clock, trust_index=False)
        check_current(plan, fresh.plan, approved=approved_by is not None)
        check_remainder(fresh.backups, frozenset(one.name for one in plan.delete))
        return _Pruning(site, clock, held, plan, by, token, approved_by).carry_out(fresh)


@dataclass
class _Pruning:
    site: Site
    clock: Clock
    held: HeldLease
    plan: RetentionPlan
    by: str
    token: str
    approved_by: str | None
    deleted: list[Deleted] = field(default_factory=list)
    spared: list[Spared] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._began_at = self.clock()
        self._fingerprint = fingerprint_of(self.plan.model_dump_json().encode())

    def carry_out(self, fresh: Look) -> PruningReport:
        journal, seen = Journal(self.site.store, self._report(fresh), self.token), fresh
        stays = {one.name for one in fresh.plan.keep}
        self._take_back(fresh, (one for one in fresh.backups if one.withdrawal and one.name in stays))
        for batch in _batches(self.plan.delete, fresh.backups):
            seen = self._prune(batch, seen)
            journal.keep(self._report(seen))
        self.held.renew()
        swept = sweep_held(self.site.store, self.clock, seen.catalog.again(), self.held)
        last = self._report(seen.again()).model_copy(
            update={"ended_at": self.clock(), "swept": swept.objects, "swept_bytes": swept.bytes}
        )
        journal.keep(last)
        forget_old(self.site.store)
        return last

    def _prune(self, batch: Sequence[LetGo], seen: Look) -> Look:
        """Withdraw, look again, spare, delete."""
        self.held.renew()
        self._withdraw(batch, seen)
        seen = seen.again()
        present = {one.name: one for one in seen.backups}
        goes = {one.name: one.fingerprint for one in seen.plan.delete}
        meant = [one for one in batch if one.name in present and goes.get(one.name) == one.fingerprint]
        names = {one.name for one in meant}
        spared = [one for one in batch if one.name in present and one.name not in names]
        self._take_back(seen, (present[one.name] for one in spared))
        why = {one.name: "; ".join(one.reasons) for one in seen.plan.keep}
        self.spared += [
            Spared(name=one.name, reason=why.get(one.name, "another backup has its name now")) for one in spared
        ]
        self.held.renew()
        erase(self.site.store, [*_remains(seen, (present[one.name] for one in meant))], _runs(meant))
        self.deleted += [_gone(one) for one in meant]
        return seen

    def _withdraw(self, batch: Iterable[LetGo], seen: Look) -> None:
        withdrawn = {one.name for one in seen.backups if one.withdrawal}
        for one in batch:
            if one.name not in withdrawn:
                record = Withdrawal(at=self.clock(), token=self.token, plan=self._fingerprint, reason=one.reason)
                write_record(self.site.store, one.folder, one.name, record)

    def _take_back(self, seen: Look, backups: Iterable[Backup]) -> None:
        take_back(self.site.store, _remains(seen, backups))

    def _report(self, seen: Look) -> PruningReport:
        gone = {one.name for one in self.deleted}
        left = [one for one in seen.backups if one.name not in gone]
        return PruningReport(
            deployment=self.plan.deployment,
            store=self.plan.store,
            plan=self._fingerprint,
            by=self.by,
            began_at=self._began_at,
            deleted=tuple(self.deleted),
            spared=tuple(self.spared),
            kept=len(left),
            kept_bytes=sum(one.bytes for one in left),
            quarantined=len(seen.plan.quarantine),
            approved_by=self.approved_by,
        )


def _batches(delete: Iterable[LetGo], backups: Iterable[Backup]) -> Iterator[list[LetGo]]:
    """Cut what goes into batches in which nothing hangs on anything else: that is gone before its bases are touched.

    What is gone already is passed over.
    """
    known = {one.name: one for one in backups}
    batch: list[LetGo] = []
    hung_on: set[str] = set()
    for one in (one for one in delete if one.name in known):
        if batch and (len(batch) == BATCH or one.name in hung_on):
            yield batch
            batch, hung_on = [], set()
        batch.append(one)
        hung_on |= bases_of(known[one.name])
    if batch:
        yield batch


def _remains(seen: Look, backups: Iterable[Backup]) -> Iterator[Remains]:
    wanted = {records_prefix(one.folder, one.name).removesuffix(".records/") for one in backups}
    return (one for one in remains(seen.catalog.listed) if one.stem in wanted)


def _runs(going: Iterable[LetGo]) -> dict[str, str]:
    return {one.name: one.run_key for one in going}


def _gone(one: LetGo) -> Deleted:
    return Deleted(name=one.name, folder=one.folder, captured_at=one.captured_at, bytes=one.bytes, reason=one.reason)
