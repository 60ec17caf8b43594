"""Two buckets, encryption, other people's objects, settings, and deleting many."""

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from backup_engine.errors import DamagedArchive, StoreDenied, StoreNotInitialised, StoreUnavailable
from backup_engine.findings import Level
from backup_engine.storage.address import Scheme, parse_address
from backup_engine.storage.layout import Layout, Spot
from backup_engine.storage.opening import open_store
from backup_engine.storage.s3.deleting import TRIES, delete_all
from backup_engine.storage.s3.objects import Objects, Sealing
from backup_engine.storage.s3.store import S3Store
from tests.storage.s3_luck import Requests, change_answers
from tests.storage.s3_places import BUCKET, READER, STAGING, client, new_client, new_prefix, s3_with_staging, server
from tests.storage.test_model import StoreAgainstDictionary

MIB = 1 << 20
KMS_KEY = "alias/backups"


@pytest.fixture
def prefix():
    return new_prefix()


@pytest.fixture
def store(prefix):
    return S3Store(client(), Layout(Scheme.S3, BUCKET, prefix))


@pytest.fixture
def divided(prefix):
    return S3Store(client(), Layout(Scheme.S3, BUCKET, prefix, STAGING))


def names(bucket, prefix):
    return [one["Key"] for one in client().list_objects_v2(Bucket=bucket, Prefix=f"{prefix}/").get("Contents", [])]


def test_what_is_staged_lies_in_the_other_bucket_and_is_joined_from_there(divided, prefix):
    divided.create(".staging/run/a", [b"a" * 6 * MIB])
    divided.create(".staging/run/b", [b"b"])
    divided.join("daily/one", [".staging/run/a", ".staging/run/b"], b"tail")
    divided.create("-first", [b"x"])
    assert names(STAGING, prefix) == [f"{prefix}/.staging/run/a", f"{prefix}/.staging/run/b"]
    assert {*names(BUCKET, prefix)} == {f"{prefix}/-first", f"{prefix}/daily/one"}
    assert [info.key for info in divided.list("")] == ["-first", ".staging/run/a", ".staging/run/b", "daily/one"]
    assert [info.key for info in divided.list(".staging/")] == [".staging/run/a", ".staging/run/b"]
    assert b"".join(divided.read("daily/one")) == b"a" * 6 * MIB + b"btail"
    divided.delete(info.key for info in divided.list(""))
    assert names(STAGING, prefix) == names(BUCKET, prefix) == []


def test_two_buckets_are_one_store_whatever_is_called(tmp_path):
    machine = type("Machine", (StoreAgainstDictionary,), {"opening": staticmethod(s3_with_staging)})
    run_state_machine_as_test(machine, settings=settings(max_examples=5, stateful_step_count=20, deadline=None))


def test_what_lies_in_the_wrong_one_of_two_buckets_is_not_of_the_store(divided, prefix):
    client().put_object(Bucket=BUCKET, Key=f"{prefix}/.staging/old", Body=b"x")
    client().put_object(Bucket=STAGING, Key=f"{prefix}/daily/stray", Body=b"x")
    assert [*divided.list("")] == []
    assert [*divided.list("daily/")] == []


def test_the_address_names_the_other_bucket_and_the_encryption(prefix):
    url = f"s3://{BUCKET}/{prefix}?sse=AES256&staging={STAGING}"
    store = open_store(url, client())
    store.create(".staging/a", [b"x"])
    assert names(STAGING, prefix) == [f"{prefix}/.staging/a"]
    assert client().head_object(Bucket=STAGING, Key=f"{prefix}/.staging/a")["ServerSideEncryption"] == "AES256"
    assert store.url == parse_address(url).url == f"s3://{BUCKET}/{prefix}"


def writings(store):
    """Every way in which an object comes to be."""
    store.create("put", [b"x"])
    store.create("upload", [b"x" * 9 * MIB])
    store.replace("put", b"y", version=store.stat("put").version)
    store.join("small", ["put"], b"tail")


@pytest.mark.parametrize("options", [{"sse": "AES256"}, {"sse": "aws:kms", "kms_key": KMS_KEY}], ids=["AES256", "kms"])
def test_every_write_is_encrypted_as_the_address_says(prefix, options):
    store = S3Store(client(), Layout(Scheme.S3, BUCKET, prefix), **options)
    writings(store)
    if options["sse"] == "AES256":  # SeaweedFS copies no parts of objects under a key of KMS
        store.join("large", ["upload"], b"tail")
    for name in names(BUCKET, prefix):
        found = client().head_object(Bucket=BUCKET, Key=name)
        assert found["ServerSideEncryption"] == options["sse"], name
        assert found.get("SSEKMSKeyId") == options.get("kms_key"), name
    assert b"".join(store.read("upload")) == b"x" * 9 * MIB
    assert b"".join(store.read("small")) == b"ytail"


def test_without_an_option_the_bucket_decides(store, prefix):
    writings(store)
    assert not any("ServerSideEncryption" in client().head_object(Bucket=BUCKET, Key=n) for n in names(BUCKET, prefix))


def test_a_server_that_leaves_encryption_out_is_found_out(prefix):
    forgetful = new_client()
    change_answers(forgetful, "HeadObject", lambda answer: answer.pop("ServerSideEncryption", None))
    store = S3Store(forgetful, Layout(Scheme.S3, BUCKET, prefix), sse="AES256")
    with pytest.raises(DamagedArchive, match="was to be encrypted with AES256, and the server says it is not"):
        store.create("daily/a", [b"x"])
    assert names(BUCKET, prefix) == []


def test_a_server_that_cannot_copy_parts_says_so(prefix):
    store = S3Store(client(), Layout(Scheme.S3, BUCKET, prefix), sse="aws:kms", kms_key=KMS_KEY)
    store.create("large", [b"x" * 9 * MIB])
    with pytest.raises(StoreDenied, match=r"cannot do what a store needs .*UploadPartCopy.*store check"):
        store.join("daily/one", ["large"], b"tail")
    assert names(BUCKET, prefix) == [f"{prefix}/large"]


def test_objects_whose_names_are_no_keys_are_left_out(store, prefix):
    for name in ["daily/a b", "daily/ä", "daily/sub/", "daily/" + "x" * 201]:
        client().put_object(Bucket=BUCKET, Key=f"{prefix}/{name}", Body=b"")
    store.create("daily/a", [b"x"])
    assert [info.key for info in store.list("")] == ["daily/a"]
    assert [info.key for info in store.list("daily/")] == ["daily/a"]


def test_an_object_that_another_program_wrote_can_be_read_replaced_and_joined(store, prefix):
    client().put_object(Bucket=BUCKET, Key=f"{prefix}/leases/a", Body=b"theirs")
    seen = store.stat("leases/a")
    assert seen == store.stat("leases/a")
    store.join("daily/a", ["leases/a"], b"!")
    assert b"".join(store.read("daily/a")) == b"theirs!"
    assert store.replace("leases/a", b"ours", version=seen.version).version != seen.version


def test_a_store_may_be_a_whole_bucket():
    client().create_bucket(Bucket="whole")
    store = S3Store(client(), Layout(Scheme.S3, "whole"))
    store.create("daily/a", [b"x"])
    assert [info.key for info in store.list("")] == ["daily/a"]
    assert store.url == "s3://whole"


def test_a_bucket_that_is_removed_is_told_as_gone():
    client().create_bucket(Bucket="removed")
    store = S3Store(client(), Layout(Scheme.S3, "removed", "x"))
    store.create("a", [b"x"])
    store.delete(["a"])
    client().delete_bucket(Bucket="removed")
    for call in (lambda: store.stat("a"), lambda: store.create("a", [b"x"]), lambda: store.list("")):
        with pytest.raises(StoreNotInitialised, match="no such bucket"):
            call()


def test_thousands_are_deleted_in_batches(prefix):
    watched = new_client()
    requests = Requests(watched)
    keys = [f".staging/{number}" for number in range(2_500)]
    store = S3Store(watched, Layout(Scheme.S3, BUCKET, prefix))
    store.create(keys[2_400], [b"x"])
    store.create("kept", [b"x"])
    store.delete(keys)
    assert [len(arguments["Delete"]["Objects"]) for _, arguments in requests.seen[-3:]] == [1000, 1000, 500]
    assert [info.key for info in store.list("")] == ["kept"]


def one_key_fails(client, code, times=10**6):
    left = [times]

    def change(answer):
        if left[0]:
            left[0] -= 1
            answer["Errors"] = [{"Key": answer_key, "Code": code, "Message": "as it says"}]

    answer_key = "tests/delete/denied"
    change_answers(client, "DeleteObjects", change)
    return Objects(client, Sealing()), [
        Spot(Scheme.S3, BUCKET, "tests/delete/other"),
        Spot(Scheme.S3, BUCKET, answer_key),
    ]


def test_a_key_that_may_not_be_deleted_is_named_with_the_action():
    objects, spots = one_key_fails(new_client(), "AccessDenied")
    with pytest.raises(StoreDenied, match=r"tests/delete/denied.*s3:DeleteObject"):
        delete_all(objects, spots)


def test_a_key_the_server_is_too_busy_for_is_tried_again_and_not_for_ever():
    pauses = []
    objects, spots = one_key_fails(new_client(), "SlowDown", times=2)
    delete_all(objects, spots, pauses.append)
    assert pauses == [0.5, 1.0]
    objects, spots = one_key_fails(new_client(), "SlowDown")
    with pytest.raises(StoreUnavailable, match="tests/delete/denied"):
        delete_all(objects, spots, pauses.append)
    assert len(pauses) == 2 + TRIES - 1


def looked(layout, **options):
    return {finding.what: finding for finding in S3Store(client(), layout, **options).look_at_settings()}


def rule(**more):
    return {"ID": "rule", "Status": "Enabled", "Filter": {"Prefix": ""}, **more}


def test_a_bucket_as_it_should_be_has_nothing_to_mend():
    client().create_bucket(Bucket="locked", ObjectLockEnabledForBucket=True)
    lock = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 7}}}
    client().put_object_lock_configuration(Bucket="locked", ObjectLockConfiguration=lock)
    set_rules("locked", rule(AbortIncompleteMultipartUpload={"DaysAfterInitiation": 7}))
    found = looked(Layout(Scheme.S3, "locked", "x", STAGING), sse="AES256")
    ours = {what: finding.level for what, finding in found.items() if what.endswith("of locked") or "in locked" in what}
    assert len(ours) == 5
    assert {*ours.values()} == {Level.OK}
    assert "GOVERNANCE for 7 days" in found["object lock of locked"].found
    alone = looked(Layout(Scheme.S3, "locked", "x"))["object lock of locked"]
    assert (alone.level, "staging" in alone.remedy) == (Level.NOTE, True)


def set_rules(bucket, *rules):
    client().put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [*rules]})


@pytest.mark.parametrize(
    ("chosen", "meant"),
    [
        ({"Filter": {"Prefix": ""}}, True),
        ({"Filter": {"Prefix": "x/daily/"}}, True),
        ({"Filter": {"Prefix": "other/"}}, False),
        ({"Filter": {"Prefix": "x/"}, "Status": "Disabled"}, False),
    ],
)
def test_a_rule_that_deletes_backups_by_age_is_found(chosen, meant):
    client().create_bucket(Bucket=(bucket := f"expiring-{new_prefix().rpartition('/')[2]}"))
    set_rules(bucket, {**rule(Expiration={"Days": 30}), **chosen})
    found = looked(Layout(Scheme.S3, bucket, "x"))
    assert (f"lifecycle rule 'rule' of {bucket}" in found) == meant
    if meant:
        told = found[f"lifecycle rule 'rule' of {bucket}"]
        assert (told.level, "after 30 days" in told.found, bool(told.remedy)) == (Level.MISSING, True, True)


def test_rules_that_move_backups_out_of_reach_or_empty_staging_too_soon_are_found():
    odd, buckets = new_client(), ("odd", "odd-staging")
    for bucket in buckets:
        client().create_bucket(Bucket=bucket)
        set_rules(bucket, rule(AbortIncompleteMultipartUpload={"DaysAfterInitiation": 7}))
    moved = rule(Transitions=[{"Days": 1, "StorageClass": "DEEP_ARCHIVE"}])
    change_answers(
        odd,
        "GetBucketLifecycleConfiguration",
        lambda answer: answer.update(Rules=[moved, rule(Expiration={"Days": 2})]),
    )
    found = [*S3Store(odd, Layout(Scheme.S3, buckets[0], "x", buckets[1])).look_at_settings()]
    wrong = [finding.found for finding in found if finding.level is Level.MISSING]
    assert len(wrong) == 3
    assert "DEEP_ARCHIVE" in wrong[0]
    assert "after 2 days" in wrong[1]
    assert "still at work" in wrong[2]


def test_settings_that_may_not_be_looked_at_are_notes():
    found = [*S3Store(new_client(READER), Layout(Scheme.S3, BUCKET, "x")).look_at_settings()]
    denied = [finding for finding in found if "could not be looked at" in finding.found]
    assert denied
    assert {finding.level for finding in denied} == {Level.NOTE}
    assert server().url not in str(found)
