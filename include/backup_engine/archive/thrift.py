"""Read Thrift's compact protocol, which Parquet's footers and page headers are written in, trusting nothing.

Only to look before a decoder does: a decoder given a footer that lies may end the process instead of raising.
"""

from __future__ import annotations

from typing import TypeAlias

Value: TypeAlias = "int | bytes | list[Value] | Struct"
Struct: TypeAlias = "dict[int, Value]"
"""A struct: its values by field number. Booleans are 1 and 0."""

_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _STRUCT = 1, 2, 3, 7, 8, 9, 10, 12
_INTEGERS = {4, 5, 6}
_DOUBLE_BYTES = 8
_LONG = 15  # a list whose size follows
_CONTINUED = 128
_LONGEST = 10  # bytes of a 64-bit number
_DEEPEST = 12


def read_struct(data: bytes) -> tuple[Struct, int]:
    """Read the struct at the start of ``data``; give it and the bytes it took.

    :raises ValueError: it is none, does not end, or is nested deeper than Parquet ever is
    """
    reader = _Reader(data)
    try:
        return reader.struct(0), reader.position
    except IndexError as error:
        raise ValueError("it does not end") from error


class _Reader:
    """A position in bytes. Every value takes at least one: what claims more than there are ends in ``IndexError``."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.position = 0

    def struct(self, depth: int) -> Struct:
        if depth > _DEEPEST:
            raise ValueError("it is nested too deeply")
        fields: Struct = {}
        number = 0
        while head := self._byte():
            kind, delta = head & 15, head >> 4
            number = number + delta if delta else self._number()
            if number in fields:
                raise ValueError("a field is there twice: which one counts depends on who reads it")
            fields[number] = kind & 1 if kind in {_TRUE, _FALSE} else self._value(kind, depth)
        return fields

    def _value(self, kind: int, depth: int) -> Value:
        if kind in _INTEGERS:
            return self._number()
        if kind == _STRUCT:
            return self.struct(depth + 1)
        if kind in {_LIST, _SET}:
            return self._list(depth + 1)
        if kind == _BINARY:
            return self._bytes(self._unsigned())
        if kind == _DOUBLE:
            return self._bytes(_DOUBLE_BYTES)
        if kind in {_TRUE, _FALSE, _BYTE}:
            return self._byte()
        raise ValueError(f"it holds a value of kind {kind}")

    def _list(self, depth: int) -> list[Value]:
        head = self._byte()
        count = head >> 4
        if count == _LONG:
            count = self._unsigned()
        return [self._value(head & 15, depth) for _ in range(count)]

    def _number(self) -> int:
        raw = self._unsigned()
        return (raw >> 1) ^ -(raw & 1)

    def _unsigned(self) -> int:
        value = 0
        for shift in range(0, 7 * _LONGEST, 7):
            byte = self._byte()
            value |= (byte & (_CONTINUED - 1)) << shift
            if byte < _CONTINUED:
                return value
        raise ValueError("it holds a number of more than 64 bits")

    def _bytes(self, count: int) -> bytes:
        if count > len(self._data) - self.position:
            raise IndexError("more bytes than there are")
        self.position += count
        return self._data[self.position - count : self.position]

    def _byte(self) -> int:
        self.position += 1
        return self._data[self.position - 1]
