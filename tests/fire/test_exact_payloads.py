"""Exact: every JSON payload comes back as the very same JSON, by somebody else's reading of both servers."""

from __future__ import annotations

from itertools import count

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from backup_engine.vectorizer.numbers import hasty_value, safe_text
from tests.fire.outside import Outside, unlike
from tests.fire.servers import client, process
from tests.fire.trips import round_trip

AWKWARD_TEXT = st.sampled_from([
    *("", " ", " edges ", "a\r\nb", "a\n\n\n\nb", "tab\t", "\x00", "\x1f", "\x7f", "\u2028", "\ufeff", "é", "e\u0301"),
    *("😀", "null", "0", '"', "\\", "\\u0041", "</script>", "\U0010ffff", "\ud7ff", "ﬀ", "İ", "a" * 3000),
])
TEXT = AWKWARD_TEXT | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
AWKWARD_NUMBERS = st.sampled_from([
    *(0, -1, 2**53 + 1, 2**63 - 1, -(2**63), 2**64 - 1, 2**64, 2**70 + 1, -(2**63) - 1, 10**25),
    *(-0.0, 0.1, 1e-7, 1.5e-5, 1e-5, 1e16, 1e17, 1e20, 1e22, 1.5e300, 5e-324, 2.2250738585072014e-308, -1e-300),
])
"""Integers beyond 64 bits are floats as soon as they enter the server."""


def tellable(number: float) -> bool:
    """The server's own JSON parser takes some doubles for their neighbours, whatever text stands for them."""
    return number == 0 or hasty_value(safe_text(number)) == number


NUMBERS = AWKWARD_NUMBERS | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
LEAVES = st.none() | st.booleans() | TEXT | NUMBERS.filter(lambda one: isinstance(one, int) or tellable(one))
PAYLOADS = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXT, inner, max_size=5), max_leaves=12
)
NUMBER = count(1)


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    folder = tmp_path_factory.mktemp("servers")
    with process(folder / "source") as source, process(folder / "target") as target:
        yield source, target


def there_and_back(pair, payloads: list[object]) -> None:
    """Every payload, and after it a record that has none."""
    source, target = Outside(pair[0].url), Outside(pair[1].url)
    name = f"payloads {next(NUMBER)}"
    source.create(name, 2)
    ids = [f"r{number}" for number in range(2 * len(payloads))]
    source.write(name, {key: [1, row + 2] for row, key in enumerate(ids)}, dict(zip(ids[::2], payloads, strict=True)))
    before = source.see(name)
    assert before.collections[name].count == len(ids)
    round_trip(client(pair[0].url), client(pair[1].url), name)
    assert unlike(before, target.see(name)) == []


@settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(payloads=st.lists(PAYLOADS, min_size=1, max_size=40))
@example(payloads=[{}, [], "", None, True, False, 0, -0.0, {"": None}, [None], [[]], {"a": {}}, [""], "null"])
@example(payloads=[2**64, {"n": 2**64}, [2**70], {"n": [1e20, 10**20]}, {"n": 123456789012345678901234567890}])
def test_every_json_payload_comes_back_as_it_was(pair, payloads):
    there_and_back(pair, payloads)


def test_a_deep_and_a_large_payload_come_back(pair):
    deep: object = 1
    for _ in range(50):
        deep = {"deeper": [deep]}
    there_and_back(pair, [deep, {"text": "0123456789" * 20_000}, {str(n): n for n in range(3000)}])


def test_records_without_a_single_payload_come_back_without_one(pair):
    there_and_back(pair, [None, None])
