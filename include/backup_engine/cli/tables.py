"""Backups as tables a person can read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.table import Table

from backup_engine import wording
from backup_engine.archive.manifest import BackupKind, CollectionSummary, Content, PrivateCollection
from backup_engine.backup import Backup
from backup_engine.chain import Backups, bases_of, breaks, lacking
from backup_engine.cli.output import table
from backup_engine.describing import chain_names
from backup_engine.restore.lifecycle import KnownRestore, Progression
from backup_engine.restore.releasing import PlannedRelease
from backup_engine.verification import VerificationReport


def many(backups: Sequence[Backup], known: Backups) -> RenderableType:
    """List backups of a store, newest first.

    :param known: all that it holds, by name
    """
    shown = table(
        "name",
        "kind",
        "state",
        "captured",
        "collections#",
        "vectors#",
        "stored#",
        "size#",
        "verified",
        "copies",
        "label",
    )
    for backup in backups:
        outline = backup.outline
        shown.add_row(
            f"{backup.folder}/{backup.name}",
            outline.kind,
            _state(backup) + (", chain broken" if lacking(backup, known) else ""),
            wording.moment(outline.captured_at),
            str(outline.collections),
            f"{outline.vectors:,}",
            f"{outline.stored:,}",
            wording.size(backup.bytes),
            wording.moment(backup.verified_at) if backup.verified_at else "never",
            str(len(backup.copies)) if backup.copies else "none",
            outline.label or "",
        )
    return shown if backups else "No backups."


def one(backup: Backup, backups: Backups | None = None) -> RenderableType:
    """Show a backup whole.

    :param backups: those of its store, by name; when they are given, what it hangs on is told too
    """
    clear, private = backup.manifest.clear, backup.manifest.private
    facts = {
        "backup": f"{backup.folder}/{backup.name}",
        "kind": f"{backup.kind}" + (f", made of {clear.synthesized_from}" if clear.synthesized_from else ""),
        "state": _state(backup),
        "because": "; ".join(private.reasons),
        "remarks": "\n".join(private.remarks),
        "label": private.label or "",
        "captured": f"{wording.moment(clear.captured_at)}, reading began {wording.moment(clear.started_at)}",
        "server": f"{private.server_url}, version {clear.server.version}",
        "holds": f"{wording.count(clear.vectors, 'vector')}, {wording.size(backup.bytes)}",
        "stores": f"{_stored(backup):,} of them" if backup.kind is BackupKind.INCREMENTAL else "",
        "hangs on": _hangs_on(backup, backups),
        "verified": wording.moment(backup.verified_at) if backup.verified_at else "never",
        "copies": "; ".join(f"{one.to} since {wording.moment(one.at)}" for one in backup.copies) or "none",
        "left out": "; ".join(f"{out.name}: {out.reason}" for out in private.left_out),
        "dropped": ", ".join(private.dropped),
        "aliases": ", ".join(f"{alias} -> {name}" for alias, name in sorted(private.aliases.items())),
    }
    collections = table(
        "collection", "read", "vectors#", "stored", "dimension#", "metric", "kept as", "read by", "remarks"
    )
    for summary, details in zip(clear.collections, private.collections, strict=True):
        collections.add_row(*_collection(summary, details))
    return Group(pairs({word: text for word, text in facts.items() if text}), "", collections)


def restores(known: Sequence[KnownRestore]) -> RenderableType:
    """List restores, newest first."""
    shown = table("restore", "planned", "backup", "mode", "it is", "vectors#", "keeps aside")
    for one in known:
        if one.plan is None:
            shown.add_row(one.restore_id, wording.moment(one.planned_at), "", "", f"{one.progression}: {one.problem}")
            continue
        request = one.plan.request
        mode = f"{request.mode} in place" if request.in_place else request.mode
        vectors = f"{one.plan.vectors:,}"
        shown.add_row(
            one.restore_id, wording.moment(one.planned_at), request.backup, mode, one.progression, vectors, _kept(one)
        )
    return shown if known else "No restores."


def releases(planned: Sequence[PlannedRelease]) -> RenderableType:
    """Tell for each restore whether it is let go of, and why."""
    shown = table("restore", "", "because")
    for one in planned:
        shown.add_row(one.restore_id, "release" if one.release else "keep", one.reason)
    return shown if planned else "No restores of this server."


def _kept(one: KnownRestore) -> str:
    if one.progression is Progression.RELEASED:
        return ""
    if one.undone is not None:
        return ", ".join(item.kept_as for item in one.undone.collections if item.kept_as)
    kept = one.report.collections if one.report else ()
    return ", ".join(item.kept_as or f"snapshot {item.snapshot}" for item in kept if item.kept_as or item.snapshot)


def pairs(facts: Mapping[str, str]) -> Table:
    """Show a few facts, a line each."""
    shown = Table(box=None, show_header=False, pad_edge=False)
    shown.add_column(style="bold")
    shown.add_column(overflow="fold")
    for word, text in facts.items():
        shown.add_row(word, text)
    return shown


def verification(report: VerificationReport) -> RenderableType:
    """Show what a verification looked at and what it found."""
    rate = f"{wording.size(report.bytes / report.seconds)}/s" if report.seconds else ""
    return pairs({
        "backup": f"{report.folder}/{report.name}",
        "level": report.level,
        "result": "passed" if report.passed else "FAILED",
        "read": f"{report.entries:,} entries, {report.vectors:,} vectors, {wording.size(report.bytes)} {rate}".rstrip(),
        "problems": "\n".join(map(str, report.problems)) or "none",
    })


def _state(backup: Backup) -> str:
    return backup.state if backup.outline.whole_scope else f"{backup.state}, subset"


def _stored(backup: Backup) -> int:
    return backup.outline.stored


def _hangs_on(backup: Backup, backups: Backups | None) -> str:
    if backups is None:
        return ", ".join(sorted(bases_of(backup)))
    return "\n".join([", ".join(chain_names(backup, backups)), *breaks(backup, backups)]).strip()


def _content(summary: CollectionSummary) -> str:
    if summary.base is None:
        return "whole" if summary.entries else ""
    if summary.content is Content.SAME:
        return f"as in {summary.base.name}"
    return f"{summary.upserts:,} new or changed, {summary.deletions:,} deleted since {summary.base.name}"


def _collection(summary: CollectionSummary, details: PrivateCollection) -> tuple[str, ...]:
    kept = details.configuration
    return (
        details.name,
        summary.standing,
        f"{summary.vectors:,}" + (f" of {summary.counted:,}" if summary.vectors != summary.counted else ""),
        _content(summary),
        f"{summary.dimension:,}",
        kept.metric if kept else "",
        kept.quantization if kept else "",
        summary.way if summary.entries or summary.base else "",
        "; ".join([*([details.problem] if details.problem else []), *details.notes]),
    )
