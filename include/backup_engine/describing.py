"""A backup as JSON, for programs."""

from __future__ import annotations

from datetime import datetime

from backup_engine.archive.manifest import CollectionSummary, PrivateCollection
from backup_engine.backup import Backup
from backup_engine.chain import Backups, breaks, chain_of, lacking
from backup_engine.errors import BrokenChain


def describe(backup: Backup, backups: Backups | None = None) -> dict[str, object]:
    """Show a backup as JSON: strings, numbers, lists and dicts only; times in ISO 8601, UTC.

    :param backups: those of its store, by name; when they are given, what it hangs on is told too
    """
    clear, private = backup.manifest.clear, backup.manifest.private
    chain = {} if backups is None else {"chain": [*chain_names(backup, backups)], "breaks": [*breaks(backup, backups)]}
    return {
        "name": backup.name,
        "folder": backup.folder.value,
        "kind": backup.kind.value,
        "state": backup.state.value,
        "whole_scope": clear.whole_scope,
        "label": private.label,
        "deployment": clear.deployment,
        "run_key": clear.run_key,
        "started_at": _text(backup.started_at),
        "captured_at": _text(backup.captured_at),
        "collections": [_collection(summary, details) for summary, details in backup.manifest.each()],
        "vectors": clear.vectors,
        "stored": sum(one.stored for one in clear.collections),
        **chain,
        "synthesized_from": clear.synthesized_from,
        "bytes": backup.bytes,
        "verified": _text(backup.verified_at),
        "damaged": backup.damaged,
        "copies": _copies(backup),
        "acknowledged": backup.acknowledgement.why if backup.acknowledgement else None,
        "reasons": [*private.reasons],
        "remarks": [*private.remarks],
        "left_out": [{"name": out.name, "reason": out.reason} for out in private.left_out],
        "dropped": [*private.dropped],
        "aliases": dict(private.aliases),
        "server": {"url": private.server_url, "version": clear.server.version},
        "product_version": clear.product_version,
    }


def outlined(backup: Backup, backups: Backups) -> dict[str, object]:
    """Show a backup in short as JSON: what a list of thousands can afford, for it reads no manifest.

    :param backups: those of its store, by name
    """
    outline, broken = backup.outline, lacking(backup, backups)
    return {
        "name": backup.name,
        "folder": backup.folder.value,
        "kind": backup.kind.value,
        "state": backup.state.value,
        "whole_scope": outline.whole_scope,
        "label": outline.label,
        "deployment": outline.deployment,
        "run_key": outline.run_key,
        "started_at": _text(backup.started_at),
        "captured_at": _text(backup.captured_at),
        "collections": outline.collections,
        "vectors": outline.vectors,
        "stored": outline.stored,
        "bases": [base.name for base in outline.bases],
        "breaks": [broken] if broken else [],
        "synthesized_from": outline.synthesized_from,
        "bytes": backup.bytes,
        "verified": _text(backup.verified_at),
        "damaged": backup.damaged,
        "copies": _copies(backup),
        "acknowledged": backup.acknowledgement.why if backup.acknowledgement else None,
    }


def _copies(backup: Backup) -> list[dict[str, object]]:
    return [{"to": one.to, "store_id": one.store_id, "at": _text(one.at), "bytes": one.bytes} for one in backup.copies]


def chain_names(backup: Backup, backups: Backups) -> tuple[str, ...]:
    """Name the other backups that a restore of this one reads, the oldest first; of broken chains nothing."""
    needed: dict[str, datetime] = {}
    for summary in backup.manifest.clear.collections:
        try:
            links = chain_of(backup, summary.key, backups)
        except BrokenChain:
            continue
        needed |= {link.backup.name: link.backup.captured_at for link in links if link.backup.name != backup.name}
    return tuple(sorted(needed, key=lambda name: (needed[name], name)))


def _collection(summary: CollectionSummary, private: PrivateCollection) -> dict[str, object]:
    configuration = private.configuration
    return {
        "name": private.name,
        "standing": summary.standing.value,
        "vectors": summary.vectors,
        "counted": summary.counted,
        "content": summary.content.value,
        "base": summary.base.name if summary.base else None,
        "stored": summary.stored,
        "deletions": summary.deletions,
        "read_at": _text(summary.read_at),
        "dimension": summary.dimension,
        "metric": configuration.metric.value if configuration else None,
        "quantization": configuration.quantization.value if configuration else None,
        "irregular": private.irregular_count,
        "problem": private.problem,
        "read_with": summary.way.value,
        "notes": [*private.notes],
    }


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat().replace("+00:00", "Z") if moment else None
