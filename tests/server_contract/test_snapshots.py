"""What the engine may rely on in the server's own snapshots of a collection, and what it must not."""

from __future__ import annotations

import numpy as np
import pytest

from backup_engine.archive.batches import vectors_of
from backup_engine.errors import CollectionNotFound, SnapshotNotFound
from backup_engine.model import Metric, Quantization
from tests.server_contract.records import UNQUANTISED, batch, by_id, ids_of, listed, numbered, read, settings, state_of


def test_a_snapshot_is_listed_with_its_size_and_brings_the_records_back(server, name):
    server.create_collection(name(), settings())
    server.upsert(name(), numbered(20))
    taken = server.take_snapshot(name())
    assert [(one.id, one.bytes > 0) for one in server.snapshots(name())] == [(taken, True)]
    server.delete_records(name(), ["r1", "r2"])
    server.upsert(name(), numbered(5, first=90))
    server.restore_snapshot(name(), taken)
    assert ids_of(read(server, name())) == [f"r{number}" for number in range(20)]
    assert state_of(server, name()).vectors == 20


def test_its_settings_come_back_with_it_also_floats(server, name):
    wanted = settings(UNQUANTISED, Metric.COSINE, Quantization.NONE)
    server.create_collection(name(), wanted)
    server.upsert(name(), numbered(3, dimension=UNQUANTISED))
    before = by_id(read(server, name()))
    server.restore_snapshot(name(), server.take_snapshot(name()))
    found = server.configuration(name())
    assert (found.dimension, found.metric, found.quantization) == (UNQUANTISED, Metric.COSINE, Quantization.NONE)
    assert by_id(read(server, name())) == before


def test_lengths_of_vectors_and_blanks_in_text_are_lost(server, name):
    server.create_collection(name(), settings(4, Metric.EUCLIDEAN))
    payloads = [f'{{"text":" {number} \\r\\n"}}' for number in range(10)]
    server.upsert(name(), batch([f"r{number}" for number in range(10)], payloads))
    server.restore_snapshot(name(), server.take_snapshot(name()))
    found = read(server, name())
    assert np.allclose(np.linalg.norm(vectors_of(found), axis=1), 1.0, atol=0.02)
    assert found.column("payload")[3].as_py() == '{"text":"3"}'


def test_the_collections_aliases_go_and_it_counts_as_a_new_one(server, name):
    server.create_collection(name(), settings())
    server.upsert(name(), numbered(3))
    server.create_alias(name("alias"), name())
    created = state_of(server, name()).created_at
    server.restore_snapshot(name(), server.take_snapshot(name()))
    assert name("alias") not in server.aliases()
    assert state_of(server, name()).created_at != created


def test_a_deleted_collection_comes_back_whole(server, name):
    server.create_collection(name(), settings())
    server.upsert(name(), numbered(12))
    taken = server.take_snapshot(name())
    server.delete_collection(name())
    server.restore_snapshot(name(), taken)
    assert state_of(server, name()).vectors == len(ids_of(read(server, name()))) == 12


@pytest.mark.parametrize("text", ["a/b", "empty", "cleanup", "ünï & %2F"])
def test_every_name_has_its_own_snapshots(server, name, text):
    server.create_collection(name(text), settings())
    server.create_collection(name(), settings())
    server.upsert(name(text), numbered(4))
    server.upsert(name(), numbered(2))
    taken = server.take_snapshot(name(text))
    assert server.snapshots(name()) == ()
    server.restore_snapshot(name(text), taken)
    assert state_of(server, name(text)).vectors == 4
    assert state_of(server, name()).vectors == 2


def test_without_such_a_snapshot_nothing_is_touched(server, name):
    server.create_collection(name(), settings())
    server.upsert(name(), numbered(3))
    with pytest.raises(SnapshotNotFound):
        server.restore_snapshot(name(), "20200101T000000Z")
    assert state_of(server, name()).vectors == 3


def test_a_name_that_is_not_listed_has_no_snapshots_and_none_is_taken(server, name):
    assert server.snapshots(name("nobody")) == ()
    with pytest.raises(CollectionNotFound):
        server.take_snapshot(name("nobody"))
    assert name("nobody") not in listed(server)
