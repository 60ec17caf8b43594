"""CRC-32C: the checksum that Google Cloud Storage keeps of every object, joined ones too."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Sequence
from functools import cache

import google_crc32c

_POLYNOMIAL = 0x82F63B78  # of CRC-32C, bits reversed
_BITS = 32


def extended(checksum: int, data: bytes) -> int:
    """Go on with a checksum; that of nothing is 0."""
    return int(google_crc32c.extend(checksum, data))


def encoded(checksum: int) -> str:
    """Write it as the store does."""
    return base64.b64encode(checksum.to_bytes(4, "big")).decode()


def decoded(text: str | None) -> int | None:
    """Read what the store wrote; None when it is none."""
    try:
        found = base64.b64decode(text or "", validate=True)
    except (binascii.Error, ValueError):
        return None
    return int.from_bytes(found, "big") if len(found) == _BITS // 8 else None


def joined(parts: Iterable[tuple[int, int]]) -> int:
    """Compute the checksum of bytes in a row from those of their parts, without the bytes.

    :param parts: checksum and size of each
    """
    result = 0
    for checksum, size in parts:
        result = _shifted(result, size) ^ checksum
    return result


def _shifted(checksum: int, zeros: int) -> int:
    """Give the part that a checksum has in that of the same bytes with so many others behind them."""
    power = 0
    while zeros:
        if zeros & 1:
            checksum = _times(_operator(power), checksum)
        zeros, power = zeros >> 1, power + 1
    return checksum


@cache
def _operator(power: int) -> Sequence[int]:
    """Give the matrix over GF(2), by its columns, that appends 2**power zero bytes."""
    if power:
        half = _operator(power - 1)
        return tuple(_times(half, column) for column in half)
    one_bit = (_POLYNOMIAL, *(1 << bit for bit in range(_BITS - 1)))
    result = one_bit
    for _ in range(3):  # 1, 2, 4, 8 bits
        result = tuple(_times(result, column) for column in result)
    return result


def _times(matrix: Sequence[int], vector: int) -> int:
    result = 0
    for column in matrix:
        if vector & 1:
            result ^= column
        vector >>= 1
    return result
