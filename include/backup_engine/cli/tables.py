"""Backups as tables a person can read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.table import Table

from backup_engine import wording
from backup_engine.archive.manifest import CollectionSummary, PrivateCollection
from backup_engine.catalog import Backup
from backup_engine.cli.output import table
from backup_engine.verification import VerificationReport


def many(backups: Sequence[Backup]) -> RenderableType:
    """List backups, newest first."""
    shown = table("name", "kind", "state", "captured", "collections#", "vectors#", "size#", "verified", "label")
    for backup in backups:
        clear = backup.manifest.clear
        shown.add_row(
            f"{backup.folder}/{backup.name}",
            clear.kind,
            _state(backup),
            wording.moment(clear.captured_at),
            str(len(clear.collections)),
            f"{clear.vectors:,}",
            wording.size(backup.bytes),
            wording.moment(backup.verified_at) if backup.verified_at else "never",
            backup.manifest.private.label or "",
        )
    return shown if backups else "No backups."


def one(backup: Backup) -> RenderableType:
    """Show a backup whole."""
    clear, private = backup.manifest.clear, backup.manifest.private
    facts = {
        "backup": f"{backup.folder}/{backup.name}",
        "state": _state(backup),
        "because": "; ".join(private.reasons),
        "label": private.label or "",
        "captured": f"{wording.moment(clear.captured_at)}, reading began {wording.moment(clear.started_at)}",
        "server": f"{private.server_url}, version {clear.server.version}",
        "holds": f"{wording.count(clear.vectors, 'vector')}, {wording.size(backup.bytes)}",
        "verified": wording.moment(backup.verified_at) if backup.verified_at else "never",
        "left out": "; ".join(f"{out.name}: {out.reason}" for out in private.left_out),
        "dropped": ", ".join(private.dropped),
        "aliases": ", ".join(f"{alias} -> {name}" for alias, name in sorted(private.aliases.items())),
    }
    collections = table("collection", "read", "vectors#", "dimension#", "metric", "kept as", "problem")
    for summary, details in zip(clear.collections, private.collections, strict=True):
        collections.add_row(*_collection(summary, details))
    return Group(pairs({word: text for word, text in facts.items() if text}), "", collections)


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
    return backup.state if backup.manifest.clear.whole_scope else f"{backup.state}, subset"


def _collection(summary: CollectionSummary, details: PrivateCollection) -> tuple[str, ...]:
    kept = details.configuration
    return (
        details.name,
        summary.standing,
        f"{summary.vectors:,}" + (f" of {summary.counted:,}" if summary.vectors != summary.counted else ""),
        f"{summary.dimension:,}",
        kept.metric if kept else "",
        kept.quantization if kept else "",
        details.problem or "",
    )
