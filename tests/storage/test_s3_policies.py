"""The policies of docs/s3.md allow what each role's work asks of the server, and nothing else."""

import json
import re
from contextlib import suppress
from datetime import timedelta
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from backup_engine.storage.address import Scheme
from backup_engine.storage.layout import Layout
from backup_engine.storage.s3.refusals import ACTIONS
from backup_engine.storage.s3.store import S3Store
from tests.storage.s3_places import client, new_client

PAGE = (Path(__file__).parents[2] / "docs" / "s3.md").read_text()
BUCKET, STAGING, PREFIX = "vectorizer-backups", "vectorizer-backups-staging", "production"
LARGE = bytes(9 << 20)


def policy(role):
    section = PAGE.partition(f"\n### {role}\n")[2].partition("\n### ")[0]
    return json.loads(re.search(r"```json\n(.*?)```", section, re.DOTALL)[1])["Statement"]


def as_list(value):
    return value if isinstance(value, list) else [value]


def grants(statements):
    """Give each action on each resource by itself: ``(action, resource, prefix)``."""
    return [
        (action, resource, statement.get("Condition", {}).get("StringLike", {}).get("s3:prefix", "*"))
        for statement in statements
        for action in as_list(statement["Action"])
        for resource in as_list(statement["Resource"])
    ]


def allows(grant, need):
    action, resource, prefix = grant
    return (
        action == need[0]
        and fnmatchcase(need[1], resource)
        and (action != "s3:ListBucket" or fnmatchcase(need[2], prefix))
    )


class Needs:
    """What was asked of the server, as actions on resources."""

    def __init__(self, asking):
        self.found = set()
        asking.meta.events.register("provide-client-params.s3", self._note)

    def _note(self, params, model, **_):
        arn = f"arn:aws:s3:::{params['Bucket']}"
        keys = [params["Key"]] if "Key" in params else [o["Key"] for o in params.get("Delete", {}).get("Objects", [])]
        action = "s3:PutObject" if model.name == "UploadPartCopy" else ACTIONS[model.name]
        for resource in [f"{arn}/{key}" for key in keys] or [arn]:
            self.found.add((action, resource, params.get("Prefix", "")))
        if "CopySource" in params:
            source = params["CopySource"]
            self.found.add(("s3:GetObject", f"arn:aws:s3:::{source['Bucket']}/{source['Key']}", ""))


class GivesUp(Exception):
    pass


def broken(data):
    yield data
    yield data
    raise GivesUp


def writing(store):
    store.sweep_uploads(timedelta(0))
    store.create("store.json", [b"{}"])
    store.create(".staging/run/plan.json", [b"{}"])
    store.create(".staging/run/1/c0001.fragment", [LARGE])
    for key in (".staging/run/1/c0002.fragment", "daily/copied.tar.gz"):
        with suppress(GivesUp):
            store.create(key, broken(LARGE))
    store.join("daily/backup.tar.gz", [".staging/run/1/c0001.fragment"], b"tail")
    store.create("daily/backup.json", [b"{}"])
    store.create("leases/capture.json", [b"0"])
    store.replace("leases/capture.json", b"1", version=store.stat("leases/capture.json").version)
    [*store.read("daily/backup.tar.gz", offset=9 << 20)]
    store.delete(info.key for info in [*store.list(".staging/run/")])
    [*store.list("")]
    [*store.look_at_settings()]


def restoring(store):
    [*store.list("")]
    [*store.read("daily/backup.json")]
    store.create("leases/restore.json", [b"0"])
    store.replace("leases/restore.json", b"1", version=store.stat("leases/restore.json").version)
    store.create(".staging/restore-1/plan.json", [b"{}"])
    [*store.read(".staging/restore-1/plan.json")]


def pruning(store):
    [*store.list("")]
    [*store.read("daily/backup.json")]
    store.create("leases/pruning.json", [b"0"])
    store.create(".staging/clock-1", [b""])
    store.create("daily/backup.records/withdrawal-1.json", [b"{}"])
    store.create("prunings/1.json", [b"{}"])
    [*store.read(".staging/restore-1/plan.json")]
    store.delete(["daily/backup.json", ".staging/restore-1/plan.json"])


@pytest.fixture(scope="module")
def needs():
    """What each role's work asks for: one store, one after the other."""
    for bucket in (BUCKET, STAGING):
        client().create_bucket(Bucket=bucket)
    found = {}
    for role, work in {"Writer": writing, "Restorer": restoring, "Pruner": pruning}.items():
        asking = new_client()
        needed = Needs(asking)
        work(S3Store(asking, Layout(Scheme.S3, BUCKET, PREFIX, STAGING)))
        found[role] = needed.found
    return found


def optional(need, role):
    """A store's first write looks for old uploads, and goes on where it may not."""
    return role != "Writer" and need[0] == "s3:ListBucketMultipartUploads"


def lacking(needed, granted, role):
    return [need for need in needed if not optional(need, role) and not any(allows(grant, need) for grant in granted)]


@pytest.mark.parametrize("role", ["Writer", "Restorer", "Pruner"])
def test_the_documented_policy_allows_all_that_the_role_asks_for(needs, role):
    assert lacking(needs[role], grants(policy(role)), role) == []


@pytest.mark.parametrize("role", ["Writer", "Restorer", "Pruner"])
def test_the_documented_policy_has_nothing_that_could_be_left_out(needs, role):
    granted = grants(policy(role))
    for grant in granted:
        others = [other for other in granted if other != grant]
        assert lacking(needs[role], others, role), f"{grant} is not needed"


def test_nobody_may_overstep_and_writers_delete_nothing_but_staging(needs):
    every = [grant for role in ("Writer", "Restorer", "Pruner") for grant in grants(policy(role))]
    assert not any("*" in action for action, *_ in every)
    assert all(resource.startswith("arn:aws:s3:::vectorizer-backups") for _, resource, _ in every)
    deleted = [resource for action, resource, _ in grants(policy("Writer")) if action == "s3:DeleteObject"]
    assert deleted == [f"arn:aws:s3:::{STAGING}/{PREFIX}/.staging/*"]


def test_another_prefix_or_bucket_is_not_allowed():
    granted = grants(policy("Writer"))
    for need in [
        ("s3:PutObject", f"arn:aws:s3:::{BUCKET}/other/a", ""),
        ("s3:ListBucket", f"arn:aws:s3:::{BUCKET}", "other/"),
        ("s3:DeleteObject", f"arn:aws:s3:::{BUCKET}/{PREFIX}/daily/a", ""),
    ]:
        assert lacking([need], granted, "Writer") == [need]


def test_the_key_policy_is_readable_json():
    section = PAGE.partition("### With a key of KMS")[2]
    found = json.loads(re.search(r"```json\n(.*?)```", section, re.DOTALL)[1])
    assert found["Action"] == ["kms:GenerateDataKey", "kms:Decrypt"]
