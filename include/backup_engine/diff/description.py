"""Differences and histories in words: Markdown, the same in logs and on the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from backup_engine import wording
from backup_engine.diff.finding import Event, RecordHistory, Sighting
from backup_engine.diff.report import CollectionDiff, ShiftRange, StateDiff, Verdict

_WORDS = {
    Sighting.FIRST: "there already",
    Sighting.APPEARED: "appeared",
    Sighting.CHANGED: "changed",
    Sighting.VANISHED: "vanished",
}


def describe_diff(diff: StateDiff) -> str:
    """Write a difference: a line for each collection, then what there is to say about those that changed."""
    first, second = diff.first, diff.second
    head = f"What changed from {first.name} ({wording.moment(first.at)}) to {second.name} ({wording.moment(second.at)})"
    header = ("collection", "", "before", "after", "added", "changed", "deleted", "re-embedded", "payload only")
    table = wording.markdown_table(header, map(_row, diff.collections)) if diff.collections else "No collections."
    details = [section for one in diff.collections if (section := _details(one))]
    return "\n\n".join([f"**{head}**", table, *details])


def describe_history(history: RecordHistory) -> str:
    """Write a record's history: a line for each backup in which it is not what it was before."""
    asked = f"in {wording.count(history.backups, 'backup')}"
    head = f"**Record {history.id!r} of {history.collection!r}, {asked}**"
    lines = [head, _events(history.events), _not_told(history), _advice(history)]
    return "\n\n".join(filter(None, lines))


def _row(one: CollectionDiff) -> Sequence[str]:
    counts = one.records
    figures = counts.added, counts.changed, counts.deleted, counts.re_embedded, counts.payload_only
    compared = one.verdict in {Verdict.SAME, Verdict.CHANGED}
    shown = [f"{figure:,}" for figure in figures] if compared else ["" for _ in figures]
    return [one.name, one.verdict.value, _count(one.before), _count(one.after), *shown]


def _count(vectors: int | None) -> str:
    return "-" if vectors is None else f"{vectors:,}"


def _details(one: CollectionDiff) -> str:
    lines = [*one.reconfigured, *one.remarks, *_shifts(one), *_examples(one)]
    return "\n".join([f"{_quoted(one.name)}:", "", *(f"- {line}" for line in lines)]) if lines else ""


def _shifts(one: CollectionDiff) -> Iterator[str]:
    if one.shifts:
        yield f"vectors moved, 1 minus the cosine: {', '.join(_ranges(one.shifts))}"
    if one.unmeasured:
        yield f"{wording.count(one.unmeasured, 'vector')} without a direction, before or after"
    if one.records.payload_too:
        yield f"{one.records.payload_too:,} of the re-embedded have another payload too"


def _ranges(shifts: Iterable[ShiftRange]) -> Iterator[str]:
    below = 0.0
    for one in shifts:
        if one.records:
            yield f"{below:g} to {one.up_to:g}: {one.records:,}"
        below = one.up_to


def _examples(one: CollectionDiff) -> Iterator[str]:
    for kind, ids in one.examples.model_dump().items():
        if ids:
            yield f"{kind.replace('_', ' ')}: {', '.join(map(_quoted, ids))}"


def _events(events: Sequence[Event]) -> str:
    if not events:
        return "No backup has it."
    rows = [
        (event.backup, wording.moment(event.captured_at), _WORDS[event.what], event.after or "", event.same_as or "")
        for event in events
    ]
    return wording.markdown_table(("backup", "captured", "the record", "since", "as it was in"), rows)


def _not_told(history: RecordHistory) -> str:
    said = [f"- {one.backup}: {one.reason}" for one in history.not_told]
    return "\n".join(["Backups that do not tell:", "", *said]) if said else ""


def _advice(history: RecordHistory) -> str:
    """Name the last backup that has it as it was before the newest change."""
    last = history.events[-1] if history.events else None
    if last is None or last.after is None or last.what is Sighting.APPEARED:
        return ""
    return f"{last.after} is the newest backup that has it as it was before it {_WORDS[last.what]}."


def _quoted(text: str) -> str:
    """Show a name from outside: in a code span, on one line, cut where it never ends."""
    return f"`{text!r}`" if "`" not in text else repr(text)
