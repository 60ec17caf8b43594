"""Plans and reports as people read them, in an approval at three in the morning for example: Markdown tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from backup_engine import wording
from backup_engine.restore.plan import Action, PlannedCollection, RestorePlan
from backup_engine.restore.report import Released, RestoredCollection, RestoreReport, Undone
from backup_engine.restore.undo_planning import UndoPlan

NOT_COVERED = (
    "No backup holds sparse vectors, document_id, graph edges, users and API keys, the seed of the HNSW index or the "
    "true embedding provider: no API gives them."
)
"""What a restore cannot bring back, whatever the backup."""

_NAMES = 20


def describe(plan: RestorePlan) -> str:
    """Write what a restore will do, what it throws away, and what speaks against it."""
    blocks = [
        _heading(plan),
        *_table("Refused", ("why this is not carried out",), ([refusal.text] for refusal in plan.refusals)),
        *_table(
            "", ("collection", "happens", "in the backup", "on the server now", "takes", "afterwards"), _rows(plan)
        ),
        _total(plan),
        *_table("Replaced", ("collection", "has now", "will have", "difference"), _thrown_away(plan)),
        *_table("Warnings", ("collection", "warning"), _warnings(plan)),
        *_table("Not restored", ("collection", "why"), ((out.name, out.reason) for out in plan.not_restored)),
        *_table("Aliases afterwards", ("alias", "collection"), plan.aliases.items()),
        *_table("", ("collections that stay as they are",), _untouched(plan)),
        NOT_COVERED,
    ]
    return "\n\n".join(blocks)


def describe_report(report: RestoreReport) -> str:
    """Write what a restore came to."""
    flushed = "flushed to the server's disk" if report.flushed else "NOT on the server's disk"
    rows = [_restored(item) for item in report.collections]
    header = ("collection", "happened", "vectors", "compared", "to the bit", "loaded at", "kept until released")
    summary = (
        f"**Restore {report.restore_id}** finished in {wording.duration(report.seconds)}: "
        f"{wording.count(report.vectors, 'vector')}, {report.compared:,} compared and the same, {flushed}."
    )
    blocks = [
        summary,
        *_table("", header, rows),
        *_table("Aliases", ("alias", "collection"), report.aliases.items()),
        *_table("Warnings", ("warning",), ([text] for text in report.warnings)),
        *_table("To know", ("note",), ([text] for text in report.notes)),
    ]
    return "\n\n".join(blocks)


def describe_undo(undo: UndoPlan) -> str:
    """Write what taking a restore back would bring back, what is lost by it, and what speaks against it."""
    rows = [
        (
            item.target,
            "nothing" if item.vectors_now is None else wording.count(item.vectors_now, "vector"),
            wording.count(item.vectors_back, "vector"),
            f"snapshot {item.taken.id} on the server" if item.taken else f"kept as {item.planned.before}",
            "nothing of today's" if item.taken else f"today's stays as {item.moved} until released",
        )
        for item in undo.items
    ]
    blocks = [
        f"**Undo of restore {undo.restore_id}** (of {undo.backup}) on {undo.server_url}.",
        *_table("Refused", ("why this is not carried out",), ([text] for text in undo.refusals)),
        *_table("", ("collection", "has now", "will have", "which comes from", "afterwards"), rows),
        *(["Everything that was written to these collections since the restore is lost to readers."] if rows else []),
        *_table("Warnings", ("collection", "warning"), ((i.target, text) for i in undo.items for text in i.warnings)),
        *_table("Not taken back", ("collection", "why"), ((out.name, out.reason) for out in undo.stays)),
    ]
    return "\n\n".join(blocks)


def describe_undone(undone: Undone) -> str:
    """Write what taking a restore back came to."""
    rows = [
        (
            item.target,
            "nothing" if item.vectors_undone is None else f"{item.vectors_undone:,}",
            f"{item.vectors:,}",
            item.kept_as or "-",
        )
        for item in undone.collections
    ]
    flushed = "flushed to the server's disk" if undone.flushed else "NOT on the server's disk"
    blocks = [
        f"**Restore {undone.restore_id}** is undone: {wording.count(len(rows), 'collection')} back, {flushed}.",
        *_table("", ("collection", "had", "has", "restored one kept until released"), rows),
        *_table("To know", ("note",), ([text] for text in undone.notes)),
    ]
    return "\n\n".join(blocks)


def describe_released(released: Released) -> str:
    """Write what was let go of."""
    rows = [(item.name, f"{item.vectors:,}") for item in released.dropped]
    blocks = [
        f"**Restore {released.restore_id}**: {wording.count(len(rows), 'collection')} dropped.",
        *_table("", ("dropped", "vectors"), rows),
        *_table("To know", ("note",), ([text] for text in released.notes)),
    ]
    return "\n\n".join(blocks)


def _heading(plan: RestorePlan) -> str:
    captured = wording.moment(plan.captured_at)
    rows = [
        ("backup", f"{plan.request.backup} ({plan.state.value}, captured {captured})"),
        ("server", f"{plan.server_url} (Vectorizer {plan.server_version})"),
        ("mode", plan.request.mode.value),
    ]
    return wording.markdown_table(("restore", plan.request.restore_id), rows)


def _total(plan: RestorePlan) -> str:
    expected = f"about {wording.duration(plan.seconds)} at {plan.rate:,.0f} vectors/s"
    return f"Together {wording.count(plan.vectors, 'vector')}, {expected}."


def _table(title: str, header: tuple[str, ...], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    listed = [tuple(row) for row in rows]
    if listed:
        table = wording.markdown_table(header, listed)
        yield f"**{title}**\n\n{table}" if title else table


def _rows(plan: RestorePlan) -> Iterator[tuple[str, ...]]:
    for item in plan.collections:
        yield (
            item.target if item.source == item.target else f"{item.target} (from {item.source})",
            f"{item.action.value} in place" if item.in_place else item.action.value,
            wording.count(item.vectors + item.left_behind, "vector"),
            "-" if item.vectors_now is None else wording.count(item.vectors_now, "vector"),
            wording.duration(item.seconds),
            _afterwards(item),
        )


def _afterwards(item: PlannedCollection) -> str:
    if item.action is Action.MERGE:
        return "what the backup has is written over or beside what is there; nothing is deleted"
    if item.before is not None:
        return f"as in the backup; today's stays as {item.before} until released"
    if item.in_place:
        return "as in the backup; today's can come back from the server's snapshot of it"
    return "as in the backup"


def _thrown_away(plan: RestorePlan) -> Iterator[tuple[str, ...]]:
    """Show what replacing costs: what was written since the backup goes."""
    for item in plan.collections:
        if item.action is Action.REPLACE:
            now = item.vectors_now or 0
            yield item.target, f"{now:,}", f"{item.vectors:,}", f"{item.vectors - now:+,}"


def _warnings(plan: RestorePlan) -> Iterator[tuple[str, str]]:
    yield from (("all", text) for text in plan.warnings)
    yield from ((item.target, text) for item in plan.collections for text in item.warnings)


def _untouched(plan: RestorePlan) -> Iterator[tuple[str]]:
    if plan.untouched:
        yield (f"{len(plan.untouched):,}: {wording.listing(plan.untouched, most=_NAMES)}",)


def _restored(item: RestoredCollection) -> tuple[str, ...]:
    left = f" ({item.left_behind:,} could not be put back)" if item.left_behind else ""
    return (
        item.target if item.source == item.target else f"{item.target} (from {item.source})",
        item.action.value,
        f"{item.vectors:,}{left}",
        f"{item.compared:,}",
        f"{item.exact:,}",
        f"{item.rate:,.0f}/s",
        item.kept_as or (f"snapshot {item.snapshot}" if item.snapshot else "-"),
    )
