"""A backup as JSON, for programs."""

from __future__ import annotations

from datetime import datetime

from backup_engine.archive.manifest import CollectionSummary, PrivateCollection
from backup_engine.backup import Backup


def describe(backup: Backup) -> dict[str, object]:
    """Show a backup as JSON: strings, numbers, lists and dicts only; times in ISO 8601, UTC."""
    clear, private = backup.manifest.clear, backup.manifest.private
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
        "bytes": backup.bytes,
        "verified": _text(backup.verified_at),
        "damaged": backup.damaged,
        "copies": [
            {"to": one.to, "store_id": one.store_id, "at": _text(one.at), "bytes": one.bytes} for one in backup.copies
        ],
        "acknowledged": backup.acknowledgement.why if backup.acknowledgement else None,
        "reasons": [*private.reasons],
        "left_out": [{"name": out.name, "reason": out.reason} for out in private.left_out],
        "dropped": [*private.dropped],
        "aliases": dict(private.aliases),
        "server": {"url": private.server_url, "version": clear.server.version},
        "product_version": clear.product_version,
    }


def _collection(summary: CollectionSummary, private: PrivateCollection) -> dict[str, object]:
    configuration = private.configuration
    return {
        "name": private.name,
        "standing": summary.standing.value,
        "vectors": summary.vectors,
        "counted": summary.counted,
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
