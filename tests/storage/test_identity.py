"""Which store this is, what it is opened from, and whether there is room."""

import socket
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest

from backup_engine.errors import InvalidInput, StoreFull, StoreNotInitialised, UnknownFormat, WrongStore
from backup_engine.storage.capacity import check_room
from backup_engine.storage.identity import StoreIdentity, check_identity, init_store, read_identity
from backup_engine.storage.local import LocalStore
from backup_engine.storage.memory import MemoryStore
from backup_engine.storage.opening import open_store
from tests.storage.faulty import survivors

MUTE = SimpleNamespace(meta=SimpleNamespace(endpoint_url="https://s3.example.com"))
"""A client that can be asked for nothing."""

NOW = datetime(2026, 11, 22, 14, 30, tzinfo=UTC)


def init(store, deployment="production", new_id=lambda: "id-1"):
    return init_store(store, deployment, lambda: NOW, new_id)


class TestIdentity:
    def test_init_writes_whose_store_it_is(self, store):
        made = init(store)
        assert made == StoreIdentity(deployment="production", store_id="id-1", created_at=NOW)
        assert read_identity(store) == check_identity(store, "id-1") == made
        assert [info.key for info in store.list("")] == ["store.json"]

    def test_init_again_gives_what_is_there(self, store):
        made = init(store)
        assert init(store, new_id=lambda: "id-2") == made

    def test_init_for_another_deployment_is_refused(self, store):
        init(store)
        with pytest.raises(InvalidInput, match=r"'production' since 2026-11-22.*'staging'"):
            init(store, "staging")
        assert read_identity(store).deployment == "production"

    @pytest.mark.parametrize("name", ["", "Production", "-a", "a_b", "../x", "a" * 41, "a/b", "a\n", "ä"])
    def test_init_refuses_what_is_no_deployment_name(self, tmp_path, name):
        with pytest.raises(InvalidInput, match="deployment"):
            init(LocalStore(tmp_path / "new"), name)
        assert not (tmp_path / "new").exists()

    def test_init_makes_the_root_and_nothing_else_does(self, tmp_path):
        store = LocalStore(tmp_path / "base" / "production")
        with pytest.raises(StoreNotInitialised):
            check_identity(store, "id-1")
        assert not (tmp_path / "base").exists()
        assert check_identity(LocalStore(tmp_path / "base" / "production"), init(store).store_id)

    def test_of_many_that_init_at_once_all_get_the_same_store(self, place):
        numbers = count()
        with ThreadPoolExecutor(8) as pool:
            made = [*pool.map(lambda _: init(place.open(), new_id=lambda: f"id-{next(numbers)}"), range(8))]
        assert len({identity.store_id for identity in made}) == 1

    def test_an_empty_place_is_an_error_that_names_host_and_place(self, store):
        with pytest.raises(StoreNotInitialised) as raised:
            read_identity(store)
        assert socket.gethostname() in str(raised.value)
        assert store.url in str(raised.value)

    def test_another_store_is_an_error_that_names_both(self, store):
        init(store)
        with pytest.raises(WrongStore, match=r"store id-1 of deployment 'production'.*store id-2"):
            check_identity(store, "id-2")

    @pytest.mark.parametrize(
        "content", [b"", b"{}", b"not json", b'{"deployment":"a","store_id":"b","created_at":1,"x":1}']
    )
    def test_a_store_json_of_somebody_else_is_an_error(self, store, content):
        store.create("store.json", [content])
        with pytest.raises(UnknownFormat, match=r"store\.json"):
            read_identity(store)

    def test_a_killed_init_is_there_or_not_and_can_be_repeated(self):
        for _, left in survivors(init):
            assert init(left).store_id == "id-1"
            assert check_identity(left, "id-1")


class TestOpening:
    @pytest.mark.parametrize(
        ("url", "path"),
        [
            ("file:///var/backups/production", "/var/backups/production"),
            ("file:///var/backups/production/", "/var/backups/production"),
            ("file://localhost/var/backups", "/var/backups"),
            ("file:///mnt/a%20b/%C3%A4", "/mnt/a b/ä"),
            ("FILE:///mnt/x", "/mnt/x"),
        ],
    )
    def test_a_file_url_is_a_directory(self, url, path):
        store = open_store(url)
        assert isinstance(store, LocalStore)
        assert store.url == Path(path).as_uri()

    def test_the_url_of_a_store_opens_it_again(self, tmp_path):
        store = LocalStore(tmp_path / "a b#c?d%20e")
        assert open_store(store.url).url == store.url

    @pytest.mark.parametrize(
        "url", ["", "/var/backups", "http://host/x", "file://", "file:///", "file:///a/../b", "file:relative", "s3://"]
    )
    def test_any_other_url_is_refused_with_what_is_supported(self, url):
        with pytest.raises(InvalidInput, match=r"supported are file:///absolute/path, s3://\[connection@\]bucket"):
            open_store(url)

    @pytest.mark.parametrize("url", ["s3://bucket/prod", "gs://bucket/prod"])
    def test_a_cloud_store_is_opened_with_the_client_that_is_given_and_nothing_is_asked_of_it(self, url):
        store = open_store(f"{url}?staging=other-bucket", client=MUTE)
        assert store.url == url

    def test_the_address_of_a_copy_keeps_its_connection_out_of_the_stores_name(self):
        assert open_store("s3://aws_default@bucket/prod?sse=AES256", client=MUTE).url == "s3://bucket/prod"

    def test_a_refusal_shows_no_credentials(self):
        for url in ["s3://key:se/secret@bucket", "http://host?token=secret", "file://u:secret@h/x", "key:secret@b"]:
            with pytest.raises(InvalidInput) as raised:
                open_store(url)
            assert "secret" not in str(raised.value)

    def test_a_directory_takes_no_client(self):
        with pytest.raises(InvalidInput, match="takes no client"):
            open_store("file:///var/backups", client=object())

    def test_opening_touches_nothing(self, tmp_path):
        open_store((tmp_path / "new").as_uri())
        assert [*tmp_path.iterdir()] == []


class Limited(MemoryStore):
    def free_bytes(self):
        return 1_000_000


class TestRoom:
    @pytest.mark.parametrize("needed", [0, 999_999, 1_000_000])
    def test_enough_room_is_enough(self, needed):
        check_room(Limited(), needed)

    def test_too_little_room_is_an_error_with_figures(self):
        with pytest.raises(StoreFull, match=r"1,000,000 bytes free and 1,234,567 are needed: free at least 234,567"):
            check_room(Limited(), 1_234_567)

    def test_a_store_without_a_limit_has_room(self):
        check_room(MemoryStore(), 1 << 60)

    def test_a_disk_is_asked(self, tmp_path):
        check_room(LocalStore(tmp_path), 1)
        with pytest.raises(StoreFull):
            check_room(LocalStore(tmp_path), 1 << 62)
