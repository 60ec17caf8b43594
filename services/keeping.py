"""What somebody received, as tests and the demo wait for it."""

from collections.abc import Callable, Sequence
from threading import Condition
from typing import Generic, TypeVar

T = TypeVar("T")


class Kept(Generic[T]):
    """Everything that came, in order; one thread puts, others wait."""

    def __init__(self) -> None:
        self._kept: list[T] = []
        self._came = Condition()

    def put(self, one: T) -> None:
        """Take what came."""
        with self._came:
            self._kept.append(one)
            self._came.notify_all()

    def all(self) -> list[T]:
        """Give what has come since the last clearing."""
        with self._came:
            return [*self._kept]

    def clear(self) -> None:
        """Forget what has come."""
        with self._came:
            self._kept.clear()

    def wait_for(self, wanted: int | Callable[[Sequence[T]], bool], deadline_seconds: float) -> list[T]:
        """Wait until so many have come, or what has come is what was wanted, and give it.

        :param wanted: how many at least, or what tells it by looking at all of them
        :raises TimeoutError: not in time; the message holds what has come
        """
        enough = wanted if callable(wanted) else _at_least(wanted)
        with self._came:
            if not self._came.wait_for(lambda: enough([*self._kept]), deadline_seconds):
                said = "\n".join(f"  {one}" for one in self._kept) or "  nothing"
                raise TimeoutError(f"waited {deadline_seconds:.0f} s; what has come is not what was wanted:\n{said}")
            return [*self._kept]


def _at_least(count: int) -> Callable[[Sequence[object]], bool]:
    return lambda kept: len(kept) >= count
