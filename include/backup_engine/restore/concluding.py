"""What a restore came to: the report, and what somebody should know or do now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from backup_engine.restore.in_place_planning import snapshot_path
from backup_engine.restore.journal import Started
from backup_engine.restore.plan import PlannedCollection
from backup_engine.restore.report import Compared, RestoredCollection, RestoreReport
from backup_engine.restore.work import Work
from backup_engine.storage.contract import Store


def conclude(
    work: Work, started: Started, compared: Mapping[str, Compared], aliases: dict[str, str], store: Store | None
) -> RestoreReport:
    """Add up what was done to each collection.

    :param compared: by key
    """
    plan, finished = work.plan, work.clock()
    collections = tuple(_restored(work, item, compared[item.key]) for item in plan.collections)
    return RestoreReport(
        restore_id=plan.request.restore_id,
        backup=plan.request.backup,
        mode=plan.request.mode,
        server_url=plan.server_url,
        started_at=started.at,
        finished_at=finished,
        seconds=max(0.0, (finished - started.at).total_seconds()),
        vectors=sum(item.vectors for item in collections),
        compared=sum(item.compared for item in collections),
        collections=collections,
        aliases=aliases,
        flushed=work.flushed,
        warnings=(*plan.warnings, *(f"{c.target}: {text}" for c in plan.collections for text in c.warnings)),
        notes=(*work.notes, *_closing_notes(work, collections, store)),
    )


def _restored(work: Work, item: PlannedCollection, compared: Compared) -> RestoredCollection:
    taken = work.journal.snapshot(item.key)
    return RestoredCollection(
        source=item.source,
        target=item.target,
        action=item.action,
        vectors=compared.comparison.compared,
        compared=compared.comparison.compared - compared.comparison.different,
        exact=compared.comparison.exact,
        left_behind=item.left_behind,
        seconds=compared.seconds,
        rate=compared.loaded / compared.seconds if compared.seconds > 0 else 0.0,
        kept_as=item.before,
        snapshot=taken.id if taken else None,
        written=compared.loaded,
        deleted=compared.deleted,
        vectors_replaced=item.vectors_now if item.before or item.in_place else None,
    )


def _closing_notes(work: Work, collections: tuple[RestoredCollection, ...], store: Store | None) -> Iterator[str]:
    plan = work.plan
    where = f" --store {store.url}" if store is not None else ""
    if not work.flushed:
        yield (
            "the server holds no vector at all and then refuses to write: after its next restart the empty collections "
            "are gone, or what its disk had before is back"
        )
    if any(item.kept_as for item in collections):
        yield (
            "the replaced collections are kept until you let them go: "
            f"vectorizer-backup release {plan.request.restore_id}{where} --server {plan.server_url}"
        )
    for item in collections:
        if item.snapshot is not None:
            yield (
                f"{item.target!r} was replaced in place; vectorizer-backup undo {plan.request.restore_id}{where} "
                f"--server {plan.server_url} puts {snapshot_path(item.target, item.snapshot)} back; no request "
                "deletes it"
            )
    if store is None:
        yield "restored from a bare archive: no lease was taken, and there is no record to resume from"
