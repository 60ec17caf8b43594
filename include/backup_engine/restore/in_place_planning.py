"""Whether a collection can be replaced in its place, and what somebody should know before."""

from __future__ import annotations

from collections.abc import Iterator

from backup_engine import wording
from backup_engine.model import CollectionConfiguration, Metric, Quantization
from backup_engine.restore.memory import snapshot_memory
from backup_engine.restore.plan import PlannedCollection, Refusal, differing_settings
from backup_engine.restore.view import ServerView

_OTHERWISE = "restore without in place, under another name, or delete it and restore with mode new"


def against_in_place(item: PlannedCollection, view: ServerView) -> Iterator[Refusal]:
    """Give every reason why the live collection cannot become what the backup holds."""
    if not view.can_snapshot(item.target):
        cause = (
            "would write the snapshot of a name that begins with a slash outside of its data directory"
            if view.can_rename
            else "takes no snapshots of collections (3.3.0 does), so there would be no undo"
        )
        text = f"{item.target!r} cannot be replaced in place: Vectorizer {view.facts.version} {cause}; {_OTHERWISE}"
        yield Refusal(kind="unsupported", text=text)
    live = view.configurations.get(item.target)
    if live is None:
        text = f"{item.target!r} cannot be replaced in place: the server could not load it; restore without in place"
        yield Refusal(kind="refused", text=text)
        return
    settings = differing_settings(live, item.configuration)
    if settings:
        has = "; ".join(_difference(name, live, item.configuration) for name in settings)
        text = (
            f"{item.target!r} cannot be replaced in place: {has}, which no request changes without deleting the "
            f"collection; {_OTHERWISE}"
        )
        yield Refusal(kind="refused", text=text)


def warnings_in_place(target: str, vectors: int, live: CollectionConfiguration) -> Iterator[str]:
    """Say what readers will see, what the undo is worth, and what stays on the server's disk."""
    yield (
        "is replaced in place: until it has been compared, readers see a mixture of what it holds now and of what the "
        "backup holds; keep writers away, or it ends in an error"
    )
    yield f"the undo is a snapshot on the server's disk, and a server that loads one {losses_of(live)}"
    needed = wording.size(snapshot_memory(vectors, live.dimension))
    yield f"making the snapshot takes about {needed} of the server's memory for a moment, and the payloads"
    yield f"that snapshot stays, as {snapshot_path(target, 'TIME')}: no request deletes it"


def losses_of(kept: CollectionConfiguration) -> str:
    """Say what a server does to a collection when it loads a snapshot of it."""
    return wording.listing(_losses(kept))


def snapshot_path(target: str, snapshot_id: str) -> str:
    """Where a snapshot lies on the server's machine."""
    return f"collection_snapshots/{target}/{snapshot_id}.vecdb.gz in the server's data directory"


def _losses(live: CollectionConfiguration) -> Iterator[str]:
    if live.metric is not Metric.COSINE:
        yield "brings every vector to unit length (their lengths are lost for ever)"
    if live.quantization is not Quantization.NONE:
        yield f"makes {live.quantization.value} codes again (values may move by one step)"
    yield "trims the text in payloads"


def _difference(name: str, live: CollectionConfiguration, wanted: CollectionConfiguration) -> str:
    return f"its {name} is {_word(getattr(live, name))} on the server and {_word(getattr(wanted, name))} in the backup"


def _word(value: object) -> str:
    return str(getattr(value, "value", value))
