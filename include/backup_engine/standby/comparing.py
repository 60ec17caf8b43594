"""Compare all that the standby holds with the backup it was brought to."""

from __future__ import annotations

from collections.abc import Iterator

from backup_engine import wording
from backup_engine.catalog import Catalog
from backup_engine.errors import ComparisonFailed, RestoreRefused
from backup_engine.model import CollectionState, ProgressEvent, Quantization
from backup_engine.restore.comparison import Comparison, Expected, compare
from backup_engine.restore.guard import Guard, guarded
from backup_engine.restore.outgoing import outgoing
from backup_engine.restore.view import look
from backup_engine.standby.differences import Stored
from backup_engine.standby.party import Party
from backup_engine.standby.planning import check_loaded
from backup_engine.standby.points import States
from backup_engine.standby.state import HeldCollection, StandbyState, StateFile, WholeComparison


def compare_whole(party: Party) -> WholeComparison:
    """Read every collection of the standby and compare every record. What is wrong is loaded anew by the next apply.

    :raises LeaseHeld: it is brought up to date, or compared, this moment
    :raises RestoreRefused: nothing was brought to it yet, a change is unfinished, or it was promoted
    :raises ServerLoading: it was restarted and has not loaded yet
    """
    with guarded(party.lease, party.owner, party.clock) as guard:
        file = StateFile(party.store, party.standby)
        state = _comparable(file.state)
        view = look(party.server)
        check_loaded(state, view)
        states = States(Catalog(party.store, party.clock), party.temporary)
        comparing = _Comparing(party, states, guard)
        problems: dict[str, str] = {}
        for held in state.collections:
            problem = comparing.problem(held, view.states.get(held.name))
            if problem is not None:
                problems[held.name] = problem
        found = WholeComparison(
            at=party.clock(),
            backup=str(state.backup),
            compared=comparing.compared,
            problems=tuple(f"{name!r}: {problem}" for name, problem in problems.items()),
        )
        doubts = {name: f"it was found to be wrong ({problem})" for name, problem in problems.items()}
        file.write(state.doubting(doubts).model_copy(update={"comparison": found}))
        return found


def require_equal(found: WholeComparison) -> None:
    """Stop here if the standby does not hold what it should.

    :raises ComparisonFailed: the message names every collection that is wrong
    """
    if found.problems:
        raise ComparisonFailed(
            f"the standby does not hold what {found.backup} does: {wording.listing(found.problems, most=20)}; the next "
            "attempt to bring it up to date loads that anew, with --repair if somebody wrote there"
        )


def _comparable(state: StandbyState | None) -> StandbyState:
    if state is None or state.backup is None or not state.collections:
        raise RestoreRefused(
            "the standby holds nothing that could be compared, as far as this store knows: apply first"
        )
    if state.promoted is not None:
        raise RestoreRefused("the standby was promoted: it is in use, and holds what others wrote since")
    if state.in_flight or state.loading:
        raise RestoreRefused("the standby is between two states: bring it up to date first (standby apply)")
    return state


class _Comparing:
    """Compares one collection after the other, and counts."""

    def __init__(self, party: Party, states: States, guard: Guard) -> None:
        self._party = party
        self._states = states
        self._guard = guard
        self.compared = 0

    def problem(self, held: HeldCollection, now: CollectionState | None) -> str | None:
        """Tell what is wrong with a collection; None if every record of it is right."""
        if now is None:
            return "the standby does not hold it any more"
        stored = self._states.open(held.state_digest)
        if stored is None:
            return f"it was compared with nothing: {held.backup} is gone, and no other backup tells what it holds"
        found = self._compare(held, now, stored)
        self.compared += found.compared
        if found.expected != held.vectors:
            return f"{held.backup} gave {found.expected:,} records, and {held.vectors:,} were brought there"
        return None if found.passed else _words(found)

    def _compare(self, held: HeldCollection, now: CollectionState, stored: Stored) -> Comparison:
        began = self._party.clock()
        kept = self._party.server.configuration(held.name)

        def noted(done: int) -> None:
            seconds = max(0.0, (self._party.clock() - began).total_seconds())
            event = ProgressEvent(
                step="compare", subject=held.name, done=done, total=held.vectors, bytes=0, seconds=seconds
            )
            self._party.progress(event)

        def expected() -> Iterator[Expected]:
            parts = stored.point.parts(stored.key)
            for piece in outgoing(parts, quantized=kept.quantization is Quantization.SQ8):
                self._guard.glance()
                yield piece.expected

        batches = self._party.server.read(now).batches
        temporary = self._party.temporary
        return compare(expected(), batches, kept, others_allowed=False, temporary=temporary, noted=noted)


def _words(found: Comparison) -> str:
    examples = "; ".join(f"{example.id!r}: {example.reason}" for example in found.examples[:3])
    return (
        f"{found.compared:,} of {wording.count(found.expected, 'record')} compared, {found.different:,} different, "
        f"{found.missing:,} missing, {found.extra:,} too many ({examples})"
    )
