"""What a pruning shows and hands on: tables of what stays and what goes, and the plan, frozen in its store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from pydantic import ValidationError

from backup_engine import wording
from backup_engine.archive.manifest import archive_key, sidecar_key

if TYPE_CHECKING:
    from backup_engine.deployment import Deployment
    from backup_engine.pruning.site import Site
    from backup_engine.retention.plan import Kept, LetGo, RetentionPlan
    from backup_engine.storage.contract import Store
    from vectorizer_backup.connecting import Place

_MOST_ROWS = 200
_PLAN_BYTES = 64 << 20  # ten thousand backups, each with three reasons, have about four MiB


def sites_of(deployment: Deployment, places: Sequence[Place]) -> dict[str, Site]:
    """Describe the stores that answer, by root."""
    from backup_engine.pruning.site import site_of

    stores = {place.root: place.store for place in places}
    return {root: site_of(deployment, root, stores) for root in stores}


def plan_places(deployment: Deployment, places: Sequence[Place]) -> list[tuple[Place, RetentionPlan]]:
    """Plan for every store that answers, in their order; nothing is written.

    :raises PruningRefused: a copy answers and the primary store holds nothing good
    """
    from backup_engine.model import system_clock
    from backup_engine.pruning.planning import plan_pruning

    sites = sites_of(deployment, places)
    return [(place, plan_pruning(sites[place.root], system_clock)) for place in places]


def freeze(store: Store, plan: RetentionPlan, token: str) -> str:
    """Keep a plan in the store it is for, so that what is approved is what is carried out: its key."""
    from backup_engine.pruning.journal import PLANS

    key = f"{PLANS}{plan.made_at:%Y%m%dT%H%M%SZ}-{token}.json"
    store.create(key, [plan.model_dump_json().encode()])
    return key


def frozen(store: Store, key: str) -> RetentionPlan:
    """Read a plan again.

    :raises PruningRefused: it is not there any more, or not what was kept
    """
    from backup_engine.errors import HostileArchive, ObjectNotFound, PruningRefused
    from backup_engine.retention.plan import RetentionPlan
    from backup_engine.storage.contract import read_bytes

    try:
        return RetentionPlan.model_validate_json(read_bytes(store, key, limit=_PLAN_BYTES))
    except (ObjectNotFound, HostileArchive, ValidationError) as error:
        raise PruningRefused(
            f"the plan {key} in {store.url} cannot be read any more: {error}. Nothing was deleted; start a new run"
        ) from error


def summary(plan: RetentionPlan) -> str:
    """Write in one sentence what a plan does."""
    stays = f"{wording.count(len(plan.keep), 'backup')} ({wording.size(plan.kept_bytes)}) stay"
    goes = f"{wording.count(len(plan.delete), 'backup')} ({wording.size(plan.freed_bytes)}) go"
    aside = f", {wording.count(len(plan.quarantine), 'thing')} in quarantine" if plan.quarantine else ""
    return f"{plan.store}: {stays}, {goes}{aside}"


def kept_table(keep: Sequence[Kept]) -> str:
    """Write what stays, and why, as a Markdown table; of what there is no room for, how much for which reason."""
    rows = [
        (
            f"{one.folder.value}/{one.name}",
            wording.moment(one.captured_at),
            wording.size(one.bytes),
            "; ".join(one.reasons),
        )
        for one in keep[:_MOST_ROWS]
    ]
    table = wording.markdown_table(("stays", "captured", "size", "because"), rows)
    return table + _more(one.reasons[0] if one.reasons else "-" for one in keep[_MOST_ROWS:])


def gone_table(delete: Sequence[LetGo]) -> str:
    """Write what goes, and by which rule, as a Markdown table, in the order in which it goes."""
    rows = [
        (
            f"{one.folder.value}/{one.name}",
            wording.moment(one.captured_at),
            wording.size(one.bytes),
            "; ".join(filter(None, (one.reason, one.asks))),
        )
        for one in delete[:_MOST_ROWS]
    ]
    table = wording.markdown_table(("goes", "captured", "size", "because"), rows)
    return table + _more(one.reason for one in delete[_MOST_ROWS:])


def tables(plan: RetentionPlan) -> list[str]:
    """Write all that a plan says, line by line."""
    lines = [summary(plan)]
    lines += kept_table(plan.keep).splitlines() if plan.keep else []
    lines += gone_table(plan.delete).splitlines() if plan.delete else []
    lines += [f"In quarantine: {one.key}: {one.reason}" for one in plan.quarantine[:_MOST_ROWS]]
    return [*lines, *(f"A person has to agree: {one}" for one in plan.questions)]


def question(plans: Iterable[RetentionPlan]) -> str:
    """Write what a person is asked to agree to, as Markdown."""
    parts = []
    for plan in plans:
        reasons = "\n".join(f"* {one}" for one in plan.questions)
        parts.append(f"**{summary(plan)}**\n\n{reasons}\n\n{gone_table(plan.delete)}")
    keep = "To have one of them kept: reject, and pin it (`vectorizer-backup pin`). What stays is in the log of"
    return "\n\n".join([
        *parts,
        f"{keep} plan_pruning. Whatever is approved, everything is looked at again before it goes.",
    ])


def unlike(plan: RetentionPlan, there: Iterable[str], spared: Iterable[str]) -> list[str]:
    """Compare what lies in a store with what a plan leaves there: a sentence for each difference.

    :param there: keys of all that lies where backups lie
    :param spared: names of backups that were planned to go and were not deleted for a reason
    """
    keys, kept = frozenset(there), frozenset(spared)
    still = [
        f"{one.name} is still there"
        for one in plan.delete
        if one.name not in kept and keys & {sidecar_key(one.folder, one.name), archive_key(one.folder, one.name)}
    ]
    gone = [
        f"{one.name} is gone, and was to stay"
        for one in plan.keep
        if not keys >= {sidecar_key(one.folder, one.name), archive_key(one.folder, one.name)}
    ]
    return [*gone, *still]


def _more(reasons: Iterable[str]) -> str:
    found = Counter(reasons)
    if not found:
        return ""
    most = "; ".join(f"{number:,}: {reason}" for reason, number in found.most_common(5))
    return f"\n\nand {found.total():,} more ({most})"
