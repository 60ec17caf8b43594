"""The suite fails on stores that break a promise: each of these breaks one, as real ones have done."""

from dataclasses import replace as copied
from inspect import signature
from pathlib import Path

import pytest

from backup_engine.errors import BackupError, ObjectNotFound
from backup_engine.storage.contract import ObjectInfo, checked_key, checked_prefix
from backup_engine.storage.local import LocalStore
from backup_engine.storage.memory import MemoryStore
from tests.storage.places import Place
from tests.storage.suite import SharedStoreContract, StoreContract

Suite = StoreContract()
Sharing = SharedStoreContract()


class OverwritingCreate(MemoryStore):
    def create(self, key, chunks):
        data = b"".join(chunks)
        self.delete([key])
        return super().create(key, [data])


class LookThenCreate(MemoryStore):
    """Looks whether the key is free, and overwrites later on whatever has come."""

    def create(self, key, chunks):
        self._require_free(key)
        data = b"".join(chunks)
        with self._lock:
            return self._keep(key, data)


class OverwritingJoin(MemoryStore):
    def join(self, key, sources, tail=b""):
        self.delete([key])
        return super().join(key, sources, tail)


class SortingJoin(MemoryStore):
    def join(self, key, sources, tail=b""):
        return super().join(key, sorted(sources), tail)


class ForgivingJoin(MemoryStore):
    def join(self, key, sources, tail=b""):
        return super().join(key, [source for source in sources if source in self._objects], tail)


class NonAtomicCreate(LocalStore):
    def create(self, key, chunks):
        path = Path(self._root, checked_key(key))
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            for chunk in chunks:
                file.write(chunk)
                file.flush()
        return self.stat(key)


class TidyNonAtomicCreate(NonAtomicCreate):
    """Cleans up after an error, which nobody does after a kill."""

    def create(self, key, chunks):
        try:
            return super().create(key, chunks)
        except BaseException:
            self.delete([key])
            raise


class KeepingWhatWasWritten(MemoryStore):
    def create(self, key, chunks):
        data = bytearray()
        try:
            for chunk in chunks:
                data += chunk
        finally:
            super().create(key, [bytes(data)])
        return self.stat(key)


class ErrorHidingCreate(MemoryStore):
    def create(self, key, chunks):
        try:
            return super().create(key, chunks)
        except OSError as error:
            raise ObjectNotFound(key) from error


class CarelessReplace(MemoryStore):
    def replace(self, key, data, *, version):
        with self._lock:
            return self._keep(key, data)


class LookThenReplace(LocalStore):
    def replace(self, key, data, *, version):
        self._require_version(key, version)
        Path(self._root, key).write_bytes(data)
        return self.stat(key)


class SizeAsVersion(MemoryStore):
    def stat(self, key):
        found = super().stat(key)
        return copied(found, version=str(found.size))


class BarePrefix(MemoryStore):
    def list(self, prefix):
        checked_prefix(prefix)
        return (info for info in super().list("") if info.key.startswith(prefix.rstrip("/")))


class AnyPrefix(MemoryStore):
    def list(self, prefix):
        return (info for info in super().list("") if info.key.startswith(prefix))


class OnePage(MemoryStore):
    def list(self, prefix):
        return iter([*super().list(prefix)][:1000])


class FolderOrder(MemoryStore):
    def list(self, prefix):
        return iter(sorted(super().list(prefix), key=lambda info: info.key.split("/")))


class HiddenDots(MemoryStore):
    def list(self, prefix):
        return (info for info in super().list(prefix) if not info.key.startswith("."))


class ShortRead(MemoryStore):
    def read(self, key, *, offset=0, length=None):
        data = self._held(checked_key(key)).data[offset:]
        return iter([data[:length]])


class LateRead(MemoryStore):
    def read(self, key, *, offset=0, length=None):
        yield from super().read(key, offset=offset, length=length)


class LiveRead(MemoryStore):
    def read(self, key, *, offset=0, length=None):
        size = self.stat(key).size
        super().read(key, offset=offset, length=length)
        return (b"".join(super(LiveRead, self).read(key))[at : at + 100_000] for at in range(0, size, 100_000))


class StrictDelete(MemoryStore):
    def delete(self, keys):
        for key in keys:
            self.stat(key)
            super().delete([key])


class HalfCheckedDelete(MemoryStore):
    def delete(self, keys):
        for key in keys:
            super().delete([key])


class PathStore(MemoryStore):
    """Takes keys as paths, without looking at them."""

    def stat(self, key):
        path = Path("/tmp", key)  # noqa: S108
        return ObjectInfo(key, path.stat().st_size, None, "1") if path.exists() else super().stat("missing")


class BufferingCreate(LocalStore):
    def create(self, key, chunks):
        return super().create(key, [b"".join(chunks)])


class BufferingJoin(LocalStore):
    def join(self, key, sources, tail=b""):
        return self.create(key, [b"".join(b"".join(self.read(source)) for source in sources), tail])


CAUGHT = [
    (OverwritingCreate, Suite.test_create_leaves_a_taken_key_as_it_is_and_asks_for_no_chunk),
    (OverwritingCreate, Suite.test_of_many_threads_that_create_one_key_exactly_one_wins),
    (LookThenCreate, Suite.test_who_comes_second_while_writing_gets_object_exists),
    (OverwritingJoin, Suite.test_join_leaves_a_taken_key_as_it_is),
    (OverwritingJoin, Suite.test_of_many_threads_that_join_to_one_key_exactly_one_wins),
    (SortingJoin, Suite.test_join_gives_the_sources_in_order_and_then_the_tail),
    (ForgivingJoin, Suite.test_join_names_the_missing_source_and_leaves_nothing),
    (NonAtomicCreate, Suite.test_an_object_that_is_being_written_is_nowhere_to_be_seen),
    (CarelessReplace, Suite.test_replace_refuses_what_somebody_else_changed),
    (CarelessReplace, Suite.test_replace_refuses_what_is_gone_and_makes_nothing),
    (LookThenReplace, Suite.test_a_stream_goes_on_with_the_object_it_began_with),
    (SizeAsVersion, Suite.test_replace_overwrites_what_was_seen),
    (BarePrefix, Suite.test_a_prefix_is_a_folder_and_never_the_beginning_of_a_name),
    (OnePage, Suite.test_more_keys_than_a_page_of_s3_or_gcs_has_are_listed_completely),
    (FolderOrder, Suite.test_keys_are_sorted_as_text_across_folders),
    (HiddenDots, Suite.test_staging_and_other_dotted_names_are_ordinary_keys),
    (ShortRead, Suite.test_any_range_is_that_slice_in_chunks_of_limited_size),
    (LateRead, Suite.test_what_does_not_exist_is_not_found_by_the_call_itself),
    (LiveRead, Suite.test_a_stream_goes_on_with_the_object_it_began_with),
    (StrictDelete, Suite.test_delete_of_what_is_missing_is_success),
    (HalfCheckedDelete, Suite.test_what_is_no_key_is_refused_by_every_call_before_it_does_anything),
    (PathStore, Suite.test_what_is_no_key_is_refused_by_every_call_before_it_does_anything),
    (BufferingCreate, Sharing.test_memory_stays_flat_however_large_the_object_is),
    (BufferingJoin, Sharing.test_memory_stays_flat_however_large_the_object_is),
    (LookThenReplace, Sharing.test_no_update_is_lost_among_processes_that_replace),
]

CAUGHT_WITH = [
    (AnyPrefix, Suite.test_a_prefix_that_is_no_folder_is_refused_by_the_call_itself, {"prefix": "docs"}),
    (
        KeepingWhatWasWritten,
        Suite.test_chunks_that_raise_leave_nothing_and_their_error_is_passed_on_as_it_is,
        {"error": ValueError(), "first": [b"x"]},
    ),
    (
        ErrorHidingCreate,
        Suite.test_chunks_that_raise_leave_nothing_and_their_error_is_passed_on_as_it_is,
        {"error": OSError(5, "the source failed"), "first": [b"x"]},
    ),
    (ShortRead, Suite.test_a_range_that_the_object_does_not_have_is_damage, {"offset": 0, "length": 5}),
    (TidyNonAtomicCreate, Sharing.test_a_writer_killed_while_it_streams_leaves_no_object, {"chunks": 1}),
]


FAILURES = (AssertionError, pytest.fail.Exception, BackupError, BaseExceptionGroup)
"""How a test fails: by an assertion, a missing error, an unexpected one, or (hypothesis) several ways at once."""


def _arguments(broken, test, path):
    """Give the fixtures that the test asks for, of a place where the broken store lies."""
    if issubclass(broken, LocalStore):
        (path / "root").mkdir()
        place = Place(open=lambda: broken(path / "root"), fresh=lambda: broken(path / "root"))
    else:
        store = broken()
        place = Place(open=lambda: store, fresh=broken)
    offered = {"place": place, "shared": place, "store": place.open()}
    return {name: offered[name] for name in signature(test).parameters if name in offered}


@pytest.mark.parametrize(
    ("broken", "test", "more"),
    [(*case, {}) for case in CAUGHT] + CAUGHT_WITH,
    ids=lambda value: getattr(value, "__name__", None) or "",
)
def test_a_store_that_breaks_a_promise_is_caught(tmp_path, broken, test, more):
    with pytest.raises(FAILURES):
        test(**_arguments(broken, test, tmp_path), **more)


@pytest.mark.parametrize(
    ("kept", "test"),
    dict.fromkeys((LocalStore if issubclass(broken, LocalStore) else MemoryStore, test) for broken, test in CAUGHT),
    ids=lambda value: value.__name__,
)
def test_the_same_test_passes_on_a_store_that_keeps_its_promises(tmp_path, kept, test):
    test(**_arguments(kept, test, tmp_path))
