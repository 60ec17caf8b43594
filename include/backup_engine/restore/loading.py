"""Load one collection and prove that the server holds what the backup does."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from backup_engine import wording
from backup_engine.errors import CollectionNotFound, ComparisonFailed, ServerFault
from backup_engine.model import CollectionConfiguration, CollectionState, Quantization
from backup_engine.restore.comparison import Comparison, Expected, Told, compare
from backup_engine.restore.outgoing import Outgoing, outgoing
from backup_engine.restore.plan import Action, PlannedCollection, differing_settings
from backup_engine.restore.report import Compared
from backup_engine.restore.work import Meter, Work

_SLICE_ROWS = 2_000
"""Records between two signs of life: about seven seconds at the 300 a second that servers take."""


def load_and_compare(work: Work, item: PlannedCollection, name: str) -> Compared:
    """Bring the collection ``name`` to hold the backup's records, and compare all of them.

    What an earlier attempt loaded is kept if it is right; if it is not (the server restarted meanwhile and changed
    its values), the collection is loaded again from nothing, once. What an earlier attempt compared is not compared
    again while it is the same collection: readers may be waiting for it.

    :param name: where it is loaded: aside, or in place
    :raises ComparisonFailed: the server holds something else than it was given
    """
    found = state_of(work, name)
    earlier = work.journal.compared(item.key)
    if found and earlier and (found.created_at, found.vectors) == (earlier.created_at, item.vectors):
        return earlier
    if found is None:
        work.server.create_collection(name, item.configuration)
    compared = _attempt(work, item, name, loaded_before=found.vectors if found else 0)
    if found and found.vectors and item.action is not Action.MERGE and problem_of(work, item, name, compared):
        work.guard.check()
        work.server.delete_collection(name)
        work.server.create_collection(name, item.configuration)
        compared = _attempt(work, item, name, loaded_before=0)
    problem = problem_of(work, item, name, compared)
    if problem is not None:
        raise ComparisonFailed(failure(item, name, problem, work.plan.request.restore_id))
    work.journal.keep_compared(item.key, compared)
    return compared


def compare_again(work: Work, item: PlannedCollection, earlier: Compared) -> Compared:
    """Compare a collection that has its name already, unless it is the one that was compared before. A server that
    restarted since has changed its values: then that is noted, and the counts are those of what it holds now.
    """
    state = state_of(work, item.target)
    if state is None or state.created_at == earlier.created_at:
        return earlier
    found = compare_with_backup(work, item, state, configuration_of(work, item.target))
    compared = earlier.model_copy(update={"created_at": state.created_at, "comparison": found})
    problem = problem_of(work, item, item.target, compared)
    if problem is not None:
        work.notes.append(
            f"{item.target!r} was restored and compared, then the server restarted, which makes SQ8 of everything, "
            f"normalises vectors and trims text, or somebody wrote to it: it is not what the backup holds any more "
            f"({problem}); restore it again, with mode replace"
        )
    return compared


def configuration_of(work: Work, name: str) -> CollectionConfiguration:
    """Read the settings of a collection that is being restored.

    :raises ServerFault: it vanished
    """
    try:
        return work.server.configuration(name)
    except CollectionNotFound as error:
        raise _vanished(name) from error


def _attempt(work: Work, item: PlannedCollection, name: str, *, loaded_before: int) -> Compared:
    kept = configuration_of(work, name)
    skip = 0 if item.action is Action.MERGE else loaded_before
    meter = _load(work, item, name, kept, skip)
    state = state_of(work, name)
    if state is None:
        raise _vanished(name)
    comparison = compare_with_backup(work, item, state, kept)
    return Compared(created_at=state.created_at, loaded=meter.done, seconds=meter.seconds, comparison=comparison)


def _load(work: Work, item: PlannedCollection, name: str, kept: CollectionConfiguration, skip: int) -> Meter:
    """Send all records, but for whole parts that the server counts already: they were sent in this order.

    :param skip: records the server holds
    """
    meter, passed = Meter(work, "load", item.target, item.vectors), 0
    for piece in pieces(work, item, kept):
        passed += piece.sent.num_rows
        if passed <= skip:
            continue
        send_slices(work, name, piece.sent, meter)
    return meter


def send_slices(work: Work, name: str, batch: pa.RecordBatch, meter: Meter) -> None:
    """Send a batch of any size, with a sign of life now and then."""
    for start in range(0, batch.num_rows, _SLICE_ROWS):
        work.guard.glance()
        part = batch.slice(start, _SLICE_ROWS)
        try:
            work.server.upsert(name, part)
        except CollectionNotFound as error:
            raise _vanished(name) from error
        meter.advance(part.num_rows, part.nbytes)


def _vanished(name: str) -> ServerFault:
    return ServerFault(
        f"{name!r} vanished while it was loaded: the server restarted, or somebody deleted it; resume the restore"
    )


def compare_with_backup(
    work: Work,
    item: PlannedCollection,
    state: CollectionState,
    kept: CollectionConfiguration,
    told: Told | None = None,
) -> Comparison:
    """Compare all that the server lists with all that the backup holds."""
    meter = Meter(work, "compare", item.target, item.vectors)

    def expected() -> Iterator[Expected]:
        for piece in pieces(work, item, kept):
            work.guard.glance()
            meter.bytes += piece.expected.batch.nbytes
            yield piece.expected

    return compare(
        expected(),
        work.server.read(state).batches,
        kept,
        others_allowed=item.action is Action.MERGE,
        temporary=work.temporary,
        noted=lambda compared: meter.advance(compared - meter.done, 0),
        told=told,
    )


def pieces(work: Work, item: PlannedCollection, kept: CollectionConfiguration) -> Iterator[Outgoing]:
    """Give the backup's records as a server is sent them that keeps them so, and as it then has them."""
    return outgoing(work.archive.parts(item.key), quantized=kept.quantization is Quantization.SQ8)


def problem_of(work: Work, item: PlannedCollection, name: str, compared: Compared) -> str | None:
    """Tell what is wrong with what the server holds; None if nothing is."""
    found = compared.comparison
    if found.expected != item.vectors:
        return f"the archive gave {found.expected:,} records, the plan says {item.vectors:,}"
    if not found.passed:
        examples = "; ".join(f"{example.id!r}: {example.reason}" for example in found.examples[:5])
        return (
            f"{found.compared:,} of {wording.count(found.expected, 'record')} compared, {found.different:,} different, "
            f"{found.missing:,} missing, {found.extra:,} too many ({examples})"
        )
    if item.action is Action.MERGE:
        return None
    wrong = differing_settings(configuration_of(work, name), item.configuration)
    if wrong:
        return f"the server changed the settings {wording.listing(wrong)}"
    return None


def failure(item: PlannedCollection, name: str, problem: str, restore_id: str) -> str:
    """Say what is wrong, what became of the live collection, and what to do."""
    after = (
        "what was merged stays; if others write to it meanwhile, stop them and resume"
        if item.action is Action.MERGE
        else f"{item.target!r} was not touched; resume to load it again, or release to drop {name!r}"
        if item.aside
        else f"what was written stays; if others write to it meanwhile, stop them and resume, or undo {restore_id}"
        if item.in_place
        else "resume to load it again, or delete it"
    )
    return f"{item.target!r} is not what the backup holds of {item.source!r}: {problem}; {after}"


def state_of(work: Work, name: str) -> CollectionState | None:
    """Look a collection up in the server's list."""
    return next((state for state in work.server.collections() if state.name == name), None)
