"""A listing along what is expected gives what is there, whatever was expected, and asks for no page too many."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from backup_engine.storage.address import Scheme
from backup_engine.storage.layout import Layout
from backup_engine.storage.s3.store import S3Store
from tests.storage import s3_places

OBJECTS = 2_400


@pytest.fixture(scope="module")
def held():
    """A store whose keys come in another order by name than folder by folder."""
    server, prefix = s3_places.server(), s3_places.new_prefix()
    client = s3_places.new_client()
    store = S3Store(client, Layout(Scheme.S3, s3_places.BUCKET, prefix))
    backups = (f"daily/backup-{number:04d}" for number in range(OBJECTS // 4))
    keys = [f"{one}{end}" for one in backups for end in (".json", ".records/a.json", ".records.b.json", ".tar.gz")]
    with ThreadPoolExecutor(8) as pool:
        plain = server.client()
        [*pool.map(lambda key: plain.put_object(Bucket=s3_places.BUCKET, Key=f"{prefix}/{key}", Body=b"x"), keys)]
    return store, sorted(keys), client


def counted(client, ask):
    asked = []

    def count(**_):
        asked.append(1)

    client.meta.events.register("before-send.s3.ListObjectsV2", count)
    try:
        return [*ask()], len(asked)
    finally:
        client.meta.events.unregister("before-send.s3.ListObjectsV2", count)


def test_what_is_expected_and_there_costs_a_page_for_each_thousand(held):
    store, keys, client = held
    plain, pages = counted(client, lambda: store.list("daily/"))
    known, asked = counted(client, lambda: store.list_expected("daily/", keys))
    assert [info.key for info in plain] == keys
    assert known == plain
    assert asked == pages == 3


@pytest.mark.parametrize(
    "expected",
    [
        lambda keys: [],
        lambda keys: keys[::3],
        lambda keys: keys[1_000:],
        lambda keys: sorted([*keys, *(f"{key}0" for key in keys)]),
        lambda keys: [f"daily/a{number:05d}" for number in range(5_000)],
        lambda keys: [f"daily/z{number:05d}" for number in range(5_000)],
        lambda keys: [key for key in keys if ".records/" in key] * 2,
        lambda keys: ["daily/../\x00"] * 5_000,
    ],
    ids=["nothing", "a third", "the end", "twice as many", "all before", "all behind", "in no order", "no keys"],
)
def test_whatever_was_expected_what_is_there_is_given(held, expected):
    store, keys, _ = held
    assert [info.key for info in store.list_expected("daily/", expected(keys))] == keys


def test_other_users_of_the_client_get_what_boto3_gives(held):
    store, _, client = held
    [*store.list("daily/")]
    page = client.list_objects_v2(Bucket=s3_places.BUCKET, Prefix="tests/", MaxKeys=1)
    assert {"Key", "ETag", "Size", "LastModified"} <= page["Contents"][0].keys()
    assert page["Contents"][0]["LastModified"].tzinfo is not None


def test_a_page_that_was_cut_off_on_the_way_is_asked_for_again(held):
    store, keys, _ = held
    client, answers = s3_places.new_client(), []

    def cut_the_first(response_dict, **_):
        answers.append(response_dict)
        if len(answers) == 1:
            response_dict["body"] = response_dict["body"][:-20]

    client.meta.events.register("before-parse.*.*", cut_the_first)
    again = S3Store(client, store._layout)
    assert [info.key for info in again.list("daily/")] == keys
    assert len(answers) == 4
