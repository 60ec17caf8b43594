"""Texts to vectors without a model: words hashed into 512 components. Stands for the server's bm25."""

import hashlib
import math
import re
from collections import Counter

from sandbox.settings import PROVIDER_DIMENSION

_WORD = re.compile(r"\w+")


def embed(text: str) -> list[float]:
    """Give the same 512 floats for the same text on every machine.

    :return: of unit length; zeros for a text without words
    """
    vector = [0.0] * PROVIDER_DIMENSION
    for word, count in Counter(_WORD.findall(text.lower())).items():
        digest = hashlib.blake2b(word.encode(), digest_size=8).digest()
        sign = 1.0 if digest[0] & 1 else -1.0
        vector[int.from_bytes(digest[1:5], "big") % PROVIDER_DIMENSION] += sign * (1 + math.log(count))
    length = math.sqrt(sum(value * value for value in vector))
    return [value / length for value in vector] if length else vector
