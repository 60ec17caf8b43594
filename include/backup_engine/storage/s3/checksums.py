"""CRC-32, the checksum that S3 computes of a whole object and keeps beside it, also over parts and joins."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterable

_POLYNOMIAL = 0xEDB88320
_ONE = 1 << 31  # polynomials stand with their lowest power in the highest bit, as zlib has them


def crc32(data: bytes | bytearray | memoryview) -> int:
    """Give the checksum of these bytes."""
    return zlib.crc32(data)


def crc32_of(chunks: Iterable[bytes]) -> int:
    """Give the checksum of a stream."""
    found = 0
    for chunk in chunks:
        found = zlib.crc32(chunk, found)
    return found


def combined(first: int, second: int, second_bytes: int) -> int:
    """Give the checksum of two pieces one after the other, of their checksums.

    :param second_bytes: the length of the second piece
    """
    return _times(_power(second_bytes * 8), first) ^ second


def as_header(checksum: int) -> str:
    """Write it as S3 does."""
    return base64.b64encode(checksum.to_bytes(4, "big")).decode()


def from_header(text: str) -> int:
    """Read it as S3 writes it."""
    return int.from_bytes(base64.b64decode(text), "big")


def _times(a: int, b: int) -> int:
    """Multiply two polynomials modulo the one of CRC-32."""
    product = 0
    for bit in range(31, -1, -1):
        if a >> bit & 1:
            product ^= b
        b = b >> 1 ^ (_POLYNOMIAL if b & 1 else 0)
    return product


def _power(exponent: int) -> int:
    """Give x to this power modulo the polynomial of CRC-32."""
    result, square = _ONE, _ONE >> 1
    while exponent:
        if exponent & 1:
            result = _times(square, result)
        square = _times(square, square)
        exponent >>= 1
    return result
