"""What the engine may rely on when it writes to a server, and what stands in its way."""

from __future__ import annotations

import pytest

from backup_engine.errors import (
    CollectionExists,
    CollectionNotFound,
    NotFlushed,
    PermanentError,
    Unsupported,
)
from backup_engine.model import Quantization
from tests.server_contract.records import by_id, ids_of, listed, numbered, read, settings, state_of


def test_a_taken_name_cannot_be_created_again(server, name):
    server.create_collection(name(), settings())
    server.upsert(name(), numbered(2))
    server.create_alias(name("alias"), name())
    for taken in (name(), name("alias")):
        with pytest.raises(CollectionExists):
            server.create_collection(taken, settings())
    assert state_of(server, name()).vectors == 2


def test_a_collection_that_the_server_cannot_make_is_refused_and_not_made_otherwise(server, name):
    with pytest.raises(Unsupported):
        server.create_collection(name(), settings(7, quantization=Quantization.NONE))
    assert name() not in listed(server)


def test_an_upsert_replaces_what_exists_and_moves_it_to_the_end(server, name):
    server.create_collection(name(), settings())
    server.upsert(name(), numbered(5))
    before = by_id(read(server, name()))
    server.upsert(name(), numbered(2, first=1))
    after = read(server, name())
    assert ids_of(after) == ["r0", "r3", "r4", "r1", "r2"]
    assert {key for key in before if before[key] != by_id(after)[key]} == {"r1", "r2"}


def test_an_upsert_of_any_size_is_one_call(server, name):
    server.create_collection(name(), settings())
    server.upsert(name(), numbered(3000))
    assert state_of(server, name()).vectors == 3000
    server.upsert(name(), numbered(0))


def test_vectors_of_another_dimension_are_refused(server, name):
    server.create_collection(name(), settings(4))
    with pytest.raises(PermanentError):
        server.upsert(name(), numbered(1, dimension=5))
    assert state_of(server, name()).vectors == 0


def test_records_are_deleted_and_missing_ones_are_fine(server, name):
    server.create_collection(name(), settings())
    server.upsert(name(), numbered(5))
    server.delete_records(name(), ["r1", "never", "r3"])
    server.delete_records(name(), ["r1"])
    server.delete_records(name(), [])
    assert ids_of(read(server, name())) == ["r0", "r2", "r4"]


def test_a_name_that_is_not_listed_is_never_passed_on(server, name):
    for act in (
        lambda: server.delete_collection(name()),
        lambda: server.rename_collection(name(), name("other")),
        lambda: server.upsert(name(), numbered(1)),
        lambda: server.delete_records(name(), ["r1"]),
        lambda: server.retrieve(name(), ["r1"]),
    ):
        with pytest.raises(CollectionNotFound):
            act()
    assert name() not in listed(server)


def test_an_alias_is_not_taken_for_its_collection_by_what_deletes_or_renames(server, name):
    server.create_collection(name(), settings())
    server.create_alias(name("alias"), name())
    with pytest.raises(CollectionNotFound):
        server.delete_collection(name("alias"))
    with pytest.raises(CollectionNotFound):
        server.rename_collection(name("alias"), name("other"))
    assert name() in listed(server)


def test_a_deleted_collection_created_at_once_is_empty_and_honest(server, name):
    server.create_collection(name(), settings())
    server.upsert(name(), numbered(5))
    server.flush()
    server.delete_collection(name())
    server.create_collection(name(), settings())
    assert state_of(server, name()).vectors == 0
    server.upsert(name(), numbered(2))
    assert ids_of(read(server, name())) == ["r0", "r1"]


def test_aliases_are_listed_and_forgotten(server, name):
    server.create_collection(name(), settings())
    server.create_alias(name("alias"), name())
    assert server.aliases()[name("alias")] == name()
    assert name("alias") not in listed(server)
    server.delete_alias(name("alias"))
    server.delete_alias(name("alias"))
    assert name("alias") not in server.aliases()


def test_a_rename_leaves_an_alias_that_blocks_the_old_name_until_it_is_dropped(server, name):
    server.create_collection(name("old"), settings())
    server.upsert(name("old"), numbered(3))
    server.rename_collection(name("old"), name("new"))
    assert name("old") not in listed(server)
    assert server.aliases()[name("old")] == name("new")
    assert len(read(server, name("new"))) == 3
    server.create_collection(name("third"), settings())
    for act in (
        lambda: server.create_collection(name("old"), settings()),
        lambda: server.rename_collection(name("third"), name("old")),
        lambda: server.rename_collection(name("third"), name("new")),
    ):
        with pytest.raises(CollectionExists):
            act()
    server.delete_alias(name("old"))
    server.rename_collection(name("third"), name("old"))
    assert {name("old"), name("new")} <= listed(server)


@pytest.mark.parametrize("text", ["a/b", " leading", ""])
def test_a_rename_to_a_name_no_rename_can_make_is_refused(server, name, text):
    server.create_collection(name(), settings())
    with pytest.raises(Unsupported):
        server.rename_collection(name(), f"{text}{name()}" if text else "")
    assert name() in listed(server)


def test_what_is_loaded_aside_can_take_the_place_of_the_live_collection(server, name):
    """The order of the reference: live away, flush, drop its alias, aside in, drop its alias, flush."""
    for text, first in (("live", 0), ("aside", 100)):
        server.create_collection(name(text), settings())
        server.upsert(name(text), numbered(5, first=first))
    before, after = by_id(read(server, name("live"))), by_id(read(server, name("aside")))
    server.rename_collection(name("live"), name("before"))
    server.flush()
    server.delete_alias(name("live"))
    server.rename_collection(name("aside"), name("live"))
    server.delete_alias(name("aside"))
    server.flush()
    assert by_id(read(server, name("live"))) == after
    assert by_id(read(server, name("before"))) == before
    assert name("aside") not in listed(server)


def test_a_flush_beside_a_filled_collection_is_confirmed(server, name):
    server.create_collection(name("empty"), settings())
    server.create_collection(name("filled"), settings())
    server.upsert(name("filled"), numbered(1))
    server.flush()


# ------------------------------------------------------------- on a server of one's own


def test_a_server_without_a_single_vector_does_not_flush(own):
    with pytest.raises(NotFlushed):
        own.server.flush()
    own.server.create_collection("empty one", settings())
    with pytest.raises(NotFlushed):
        own.server.flush()


def test_a_restart_renews_all_times_forgets_aliases_and_forces_sq8(own):
    own.server.create_collection("docs", settings(512, quantization=Quantization.NONE))
    own.server.upsert("docs", numbered(5, dimension=512))
    own.server.create_alias("alias", "docs")
    before = state_of(own.server, "docs")
    own.restart()
    after = state_of(own.server, "docs")
    assert (after.name, after.vectors, after.dimension) == ("docs", 5, 512)
    assert after.created_at != before.created_at
    assert after.updated_at != before.updated_at
    assert own.server.facts().uptime_seconds < 60
    assert own.server.aliases() == {}
    assert own.server.configuration("docs").quantization is Quantization.SQ8


def test_a_collection_deleted_and_flushed_away_stays_away(own):
    own.server.create_collection("keep", settings())
    own.server.upsert("keep", numbered(1))
    own.server.create_collection("gone", settings())
    own.server.upsert("gone", numbered(3))
    own.server.flush()
    own.server.delete_collection("gone")
    own.server.flush()
    own.restart()
    assert listed(own.server) == {"keep"}
