"""A JSON text taken apart while it streams in: what is asked for is held, everything else passes by.

The reader walks: it enters objects and arrays, takes small values whole, skips what it does not want, and is given the
items of a long array by the window. Nesting is counted, never recursed into, so that no text can exhaust the stack.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator

from backup_engine.errors import UnexpectedAnswer

WINDOW = 8 << 20
_LARGEST_ITEM = 256 << 20  # the server takes no body above 100 MiB
_LARGEST_VALUE = 16 << 20
_LONGEST_NUMBERS = 256 << 10
_DEEPEST = 1000  # the server's own parser stops at 128

_SPACES = re.compile(rb"[ \t\r\n]*+")
_MARK = re.compile(rb'["\[\]{}]')
_STRING_REST = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_SCALAR = re.compile(rb'[^\s,:"\[\]{}]++')


class JsonStream:
    """Walks over one JSON text.

    :param chunks: the text as it comes
    :param what: whose text it is, for messages
    :param window: bytes worked on at a time
    """

    def __init__(self, chunks: Iterator[bytes], what: str, window: int = WINDOW) -> None:
        self.what = what
        self._chunks = chunks
        self._window = window
        self._buffer = b""
        self._at = 0
        self._ended = False
        self.overhear: Callable[[bytes], object] | None = None
        """Gets every byte that is walked over from now on."""

    def members(self) -> Iterator[str]:
        """Enter an object and give its keys; the value of each must be taken before the next is asked for.

        :raises UnexpectedAnswer: this is no object
        """
        self._take(b"{")
        more = self.peek() != b"}"
        while more:
            key = self.value()
            if not isinstance(key, str):
                raise self.unexpected("a key was expected", str(key).encode())
            self._take(b":")
            yield key
            more = self.peek() == b","
            if more:
                self._take(b",")
        self._take(b"}")

    def items(self) -> Iterator[int]:
        """Enter an array and give the numbers of its items; each must be taken before the next is asked for.

        :raises UnexpectedAnswer: this is no array
        """
        self._take(b"[")
        number, more = 0, self.peek() != b"]"
        while more:
            yield number
            number, more = number + 1, self.peek() == b","
            if more:
                self._take(b",")
        self._take(b"]")

    def windows(self) -> Iterator[list[bytes]]:
        """Enter an array and give the texts of its items, as many at a time as a window holds.

        An item's brackets are balanced and its strings end; whether it is JSON is for whoever reads it.

        :raises UnexpectedAnswer: this is no array, it is cut, or an item is larger than any server writes
        """
        self._take(b"[")
        if self.peek() == b"]":
            self._take(b"]")
            return
        size, closed = self._window, False
        while not closed:
            self._fill(size)
            items, end, closed = self._split()
            self._pass_to(end)
            if items:
                yield items
            elif self._ended or size > _LARGEST_ITEM:
                raise self.unexpected("an item of an array was expected to begin and end here", self._buffer)
            size = self._window if items else 2 * size

    def value(self, limit: int = _LARGEST_VALUE) -> object:
        """Take a small value whole.

        :raises UnexpectedAnswer: it is no JSON, is cut, or has more than ``limit`` bytes
        """
        self.peek()
        size, end = 4096, -1
        while end < 0:
            self._fill(size)
            end = self._end_of_value()
            if end < 0 and (self._ended or size > limit):
                wanted = "a value that ends" if self._ended else f"a value of at most {limit:,} bytes"
                raise self.unexpected(f"{wanted} was expected", self._buffer[self._at :])
            size *= 2
        text = self._buffer[self._at : end]
        try:
            value: object = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise self.unexpected("JSON was expected", text) from error
        self._pass_to(end)
        return value

    def skip(self) -> None:
        """Pass over a value of any size; of what is inside, only brackets and strings are looked at."""
        if self.peek() not in {b"[", b"{"}:
            self.value(_LARGEST_ITEM)
            return
        depth = 0
        while True:
            mark = _MARK.search(self._buffer, self._at)
            if mark is None:
                self._pass_to(len(self._buffer))
                self._require_more()
            elif mark[0] == b'"':
                self._pass_to(mark.start())
                self.value(_LARGEST_ITEM)
            else:
                depth += 1 if mark[0] in b"[{" else -1
                self._pass_to(mark.end())
                if depth == 0:
                    return

    def peek(self) -> bytes:
        """Go on to what is no space and give its first byte; nothing at the end of the text."""
        while True:
            spaces = _SPACES.match(self._buffer, self._at)
            self._pass_to(spaces.end() if spaces else self._at)
            if self._at < len(self._buffer):
                return self._buffer[self._at : self._at + 1]
            if self._ended:
                return b""
            self._fill(1)

    def end(self) -> None:
        """Insist that the text is over.

        :raises UnexpectedAnswer: something follows
        """
        if self.peek():
            raise self.unexpected("nothing more was expected", self._buffer[self._at :])

    def unexpected(self, wanted: str, found: bytes) -> UnexpectedAnswer:
        """Make the error for something else than what was expected."""
        start = found[:80].decode("utf-8", "replace")
        return UnexpectedAnswer(f"{self.what}: {wanted}, found {f'{start!r}' if found else 'the end of the text'}")

    def _take(self, mark: bytes) -> None:
        if self.peek() != mark:
            raise self.unexpected(f"{mark.decode()!r} was expected", self._buffer[self._at :])
        self._pass_to(self._at + 1)

    def _pass_to(self, end: int) -> None:
        if self.overhear is not None and end > self._at:
            self.overhear(self._buffer[self._at : end])
        self._at = end

    def _fill(self, size: int) -> None:
        """Have at least ``size`` bytes at hand, if the text has them."""
        parts = [self._buffer[self._at :]]
        have = len(parts[0])
        if have >= size or self._ended:
            return
        while have < size and not self._ended:
            chunk = next(self._chunks, None)
            self._ended = chunk is None
            parts.append(chunk or b"")
            have += len(parts[-1])
        self._buffer, self._at = b"".join(parts), 0

    def _require_more(self) -> None:
        self._fill(1)
        if self._at == len(self._buffer):
            raise self.unexpected("more was expected", b"")

    def _end_of_value(self) -> int:
        try:
            return value_end(self._buffer, self._at, ended=self._ended)
        except ValueError as error:
            raise self.unexpected("a JSON value was expected", self._buffer[self._at :]) from error

    def _split(self) -> tuple[list[bytes], int, bool]:
        try:
            return split_items(self._buffer, self._at)
        except ValueError as error:
            raise self.unexpected("an array of JSON values was expected", self._buffer[self._at :]) from error


def split_items(text: bytes, at: int) -> tuple[list[bytes], int, bool]:
    """Take whole items of an array: them, where the next one begins, and whether the array ends there. Pure.

    :raises ValueError: something else stands there
    """
    items: list[bytes] = []
    while (end := value_end(text, at := skip_spaces(text, at), ended=False)) >= 0:
        behind = skip_spaces(text, end)
        mark = text[behind : behind + 1]
        if not mark:
            break
        if mark not in {b",", b"]"}:
            raise ValueError(f"no comma: {text[behind : behind + 80]!r}")
        items.append(text[at:end])
        at = behind + 1
        if mark == b"]":
            return items, at, True
    return items, at, False


def skip_spaces(text: bytes, at: int) -> int:
    """Go on to what is no space."""
    spaces = _SPACES.match(text, at)
    return spaces.end() if spaces else at


def value_end(text: bytes, at: int, *, ended: bool) -> int:
    """Tell where the JSON value ends that begins at ``at``; -1 where that cannot be seen yet. Pure.

    :param ended: nothing comes after this text
    :raises ValueError: no value begins there
    """
    first = text[at : at + 1]
    if first == b'"':
        string = _STRING_REST.match(text, at + 1)
        return string.end() if string else -1
    if first in {b"[", b"{"}:
        return _end_of_brackets(text, at)
    scalar = _SCALAR.match(text, at)
    if scalar is None:
        if at < len(text):
            raise ValueError("no value")
        return -1
    return scalar.end() if ended or scalar.end() < len(text) else -1


def _end_of_brackets(text: bytes, at: int) -> int:
    depth = 0
    while mark := _MARK.search(text, at):
        at = mark.end()
        kind = mark[0]
        if kind == b'"':
            string = _STRING_REST.match(text, at)
            if string is None:
                return -1
            at = string.end()
        elif kind in b"[{":
            depth += 1
            at = _end_of_numbers(text, at) if kind == b"[" else at
            if depth > _DEEPEST:
                raise ValueError("nested too deep")
        else:
            depth -= 1
            if depth == 0:
                return at
    return -1


def _end_of_numbers(text: bytes, at: int) -> int:
    """Go on to the bracket that closes an array of plain numbers; stay where it is another array. Saves much time."""
    close = text.find(b"]", at, at + _LONGEST_NUMBERS)
    plain = close >= 0 and all(text.find(mark, at, close) < 0 for mark in (b'"', b"[", b"{", b"}"))
    return close if plain else at
