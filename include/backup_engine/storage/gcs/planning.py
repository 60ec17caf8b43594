"""Which objects are put together into which, when one call takes 32 of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

AT_ONCE = 32
"""Objects that one compose request takes at most."""


@dataclass(frozen=True, slots=True)
class Compose:
    """One request.

    :param target: the name of what is made
    :param sources: the names of what it is made of, in order
    """

    target: str
    sources: tuple[str, ...]


def plan_composes(sources: Sequence[str], target: str, temporary: Callable[[int], str]) -> tuple[Compose, ...]:
    """Plan the requests that make one object of many, in the order in which they have to be made.

    They form a tree: each level takes the last one's objects in groups of 32, and an object that would be alone in its
    group goes up as it is.

    :param sources: at least one; a name may come several times
    :param temporary: gives the name of the n-th object in between
    """
    steps: list[Compose] = []
    level = [*sources]
    while len(level) > AT_ONCE:
        above = []
        for start in range(0, len(level), AT_ONCE):
            group = tuple(level[start : start + AT_ONCE])
            if len(group) > 1:
                steps.append(Compose(temporary(len(steps)), group))
            above.append(steps[-1].target if len(group) > 1 else group[0])
        level = above
    return (*steps, Compose(target, tuple(level)))
