"""Columns: what pyarrow itself would make and show, and pandas stays where it is."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backup_engine.archive.columns import floats, floats_of, lengths_of, texts

TEXTS = st.lists(st.none() | st.text(st.characters(exclude_categories=["Cs"])))

WORK = """
import sys
import numpy as np
from backup_engine.archive.batches import make_batch
from backup_engine.archive.entries import unseal
from backup_engine.archive.parts import decode_part
from tests.archive.builder import Given, shown_by_sq8, write_collection

floats = np.random.default_rng(0).standard_normal((9, 4)).astype(np.float32)
for vectors in (floats, shown_by_sq8(floats)):
    batch = make_batch(list("abcdefghi"), vectors, ["{}"] * 8 + [None])
    data, written = write_collection(Given("Notes", [batch], 4))
    entry, place = written.entries[1], written.stored[1]
    assert decode_part(unseal(data[place.offset : place.offset + place.bytes], entry), 4).batch.equals(batch)
print("pandas" in sys.modules)
"""


@given(TEXTS, st.integers(0, 3), st.integers(0, 3))
@settings(deadline=None)  # pyarrow imports pandas meanwhile
def test_text_is_the_column_that_pyarrow_makes_of_it(values, skipped, left_out):
    column = texts(values)
    column.validate(full=True)
    assert column.equals(pa.array(values, pa.string()))
    piece = column[skipped : len(column) - left_out]
    assert lengths_of(piece).tolist() == [len((value or "").encode()) for value in piece.to_pylist()]


@given(st.lists(st.floats(width=32, allow_nan=False)), st.integers(0, 3))
@settings(deadline=None)
def test_floats_are_shared_not_copied(values, skipped):
    given_values = np.array(values, np.float32)
    column = floats(given_values)
    assert column.equals(pa.array(given_values))
    shown = floats_of(column[skipped:])
    assert shown.tobytes() == given_values[skipped:].tobytes()
    assert not len(shown) or np.shares_memory(shown, given_values)


def test_half_a_surrogate_pair_is_no_text():
    with pytest.raises(ValueError, match="surrogates"):
        texts(["\ud800"])


def test_more_text_than_a_column_holds_is_refused(monkeypatch):
    monkeypatch.setattr("backup_engine.archive.columns._LONGEST", 5)
    assert texts(["ab", "cde"]).to_pylist() == ["ab", "cde"]
    with pytest.raises(ValueError, match="2 texts of 6 bytes were given; a column holds 5"):
        texts(["ab", "éxx"])


def test_writing_and_reading_parts_needs_no_pandas():
    done = subprocess.run([sys.executable, "-c", WORK], capture_output=True, text=True, check=True, timeout=300)
    assert done.stdout == "False\n"
