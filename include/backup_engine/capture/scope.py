"""Which of the listed collections a request means, and why the others are left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase

from backup_engine import wording
from backup_engine.archive.manifest import LeftOut
from backup_engine.capture.request import CaptureRequest
from backup_engine.errors import InvalidInput, UnexpectedAnswer, UnknownCollection
from backup_engine.model import CollectionState
from backup_engine.restore.names import parse_reserved


@dataclass(frozen=True, slots=True)
class Scope:
    """What is captured and what is not; together they are what the server lists."""

    states: tuple[CollectionState, ...]
    left_out: tuple[LeftOut, ...]


def choose_scope(request: CaptureRequest, states: Sequence[CollectionState]) -> Scope:
    """Divide what the server lists.

    :raises UnknownCollection: a chosen name is not listed
    :raises InvalidInput: an empty choice, or a name that restores hold collections aside under
    """
    twice = [name for name, times in Counter(state.name for state in states).items() if times > 1]
    if twice:
        raise UnexpectedAnswer(f"the server lists {wording.listing(map(repr, twice))} more than once; read again")
    if request.collections is not None:
        _check_choice(request.collections, [state.name for state in states])
    reasons = {state.name: _why_out(state.name, request) for state in states}
    chosen = tuple(state for state in sorted(states, key=lambda one: one.name) if reasons[state.name] is None)
    left_out = tuple(LeftOut(name=name, reason=reason) for name, reason in sorted(reasons.items()) if reason)
    return Scope(chosen, left_out)


def _check_choice(chosen: Sequence[str], listed: Sequence[str]) -> None:
    if not chosen:
        raise InvalidInput("no collection is named; name some, or choose none at all for the whole scope")
    unknown = sorted(set(chosen) - set(listed))
    if unknown:
        near = {close for name in unknown for close in get_close_matches(name, listed)} or listed
        raise UnknownCollection(
            f"the server does not list {wording.listing(map(repr, unknown))}; "
            f"it lists {wording.listing(map(repr, sorted(near))) or 'nothing'}"
        )
    reserved = sorted(name for name in chosen if parse_reserved(name))
    if reserved:
        raise InvalidInput(
            f"{wording.listing(map(repr, reserved))} cannot be captured: a restore holds it aside under this name; "
            "release the restore, or rename the collection"
        )


def _why_out(name: str, request: CaptureRequest) -> str | None:
    held = parse_reserved(name)
    if held is not None:
        return f"held aside by restore {held.restore_id}"
    if request.collections is not None:
        return None if name in request.collections else "not chosen"
    if not _matching(name, request.include):
        return f"not included by {wording.listing(request.include)}"
    excluding = _matching(name, request.exclude)
    return f"excluded by {wording.listing(excluding)}" if excluding else None


def _matching(name: str, patterns: Iterable[str]) -> list[str]:
    return [pattern for pattern in patterns if fnmatchcase(name, pattern)]
