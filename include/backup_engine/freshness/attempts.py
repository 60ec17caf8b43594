"""Things tried side by side, none of which can keep the others, or the end of the process, waiting."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread
from time import monotonic
from typing import Generic, TypeVar

from backup_engine.errors import TransientError

T = TypeVar("T")


class Attempt(Generic[T]):
    """Something that is being tried, in a thread that ends with the process at the latest.

    :param work: begins at once
    :param seconds: so long at most is waited for it, from now on
    :param late: what is raised when it has not come back by then; what it does after that nobody looks at
    """

    def __init__(self, work: Callable[[], T], seconds: float, late: TransientError) -> None:
        self._work = work
        self._until = monotonic() + seconds
        self._late = late
        self._found: list[T] = []
        self._raised: list[BaseException] = []
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def outcome(self) -> T:
        """Wait for what it gives; what it raises is raised here.

        :raises TransientError: it took too long
        """
        self._thread.join(max(0.0, self._until - monotonic()))
        if self._raised:
            raise self._raised[0]
        if not self._found:
            raise self._late
        return self._found[0]

    def _run(self) -> None:
        try:
            self._found.append(self._work())
        except BaseException as error:  # noqa: BLE001 - handed to the thread that waits
            self._raised.append(error)
