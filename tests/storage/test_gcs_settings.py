"""How a bucket should be set, and what is said when it is not."""

import pytest

from backup_engine.findings import Level
from backup_engine.storage.gcs.settings import judge_settings
from tests.storage.gcs_places import STAGING, client, new_prefix, server
from tests.storage.gcs_wire import new_store

GOOD = {
    "softDeletePolicy": {"retentionDurationSeconds": "604800"},
    "iamConfiguration": {"uniformBucketLevelAccess": {"enabled": True}, "publicAccessPrevention": "enforced"},
}


def rule(kind="Delete", **condition):
    return {"lifecycle": {"rule": [{"action": {"type": kind, "storageClass": "ARCHIVE"}, "condition": condition}]}}


def judged(settings, *, scratch=False):
    return [*judge_settings("gs://b", {**GOOD, **settings}, scratch=scratch)]


def bad(settings, *, scratch=False):
    return [(found.level, found.what.split(": ")[1]) for found in judged(settings, scratch=scratch) if found.remedy]


class TestJudging:
    def test_a_bucket_as_it_should_be_has_nothing_to_mend(self):
        assert bad({}) == []
        assert {found.level for found in judged({})} == {Level.OK}

    @pytest.mark.parametrize(
        "condition",
        [{"age": 30}, {"createdBefore": "2026-01-01"}, {"daysSinceCustomTime": 1}, {"age": 1, "isLive": True}],
    )
    def test_a_rule_that_deletes_by_age_is_wrong(self, condition):
        assert bad(rule(**condition)) == [(Level.MISSING, "lifecycle")]

    @pytest.mark.parametrize(
        "condition",
        [{"numNewerVersions": 3}, {"daysSinceNoncurrentTime": 30}, {"age": 30, "isLive": False}],
    )
    def test_a_rule_for_older_versions_is_fine(self, condition):
        assert bad(rule(**condition)) == []

    def test_a_rule_that_aborts_old_uploads_is_fine(self):
        assert bad(rule("AbortIncompleteMultipartUpload", age=7)) == []

    def test_a_rule_that_moves_to_a_colder_class_is_worth_knowing(self):
        assert bad(rule("SetStorageClass", age=30)) == [(Level.NOTE, "lifecycle")]

    def test_what_is_deleted_should_be_kept_a_while(self):
        off = {"softDeletePolicy": {"retentionDurationSeconds": "0"}}
        assert bad(off) == [(Level.NOTE, "what was deleted")]
        assert bad({**off, "versioning": {"enabled": True}}) == []

    def test_but_not_where_only_work_in_hand_lies(self):
        assert bad({}, scratch=True) == [(Level.NOTE, "what was deleted")]
        assert bad({"softDeletePolicy": {}}, scratch=True) == []

    def test_a_retention_policy_is_worth_knowing_and_wrong_for_staging(self):
        policy = {"retentionPolicy": {"retentionPeriod": "2592000"}}
        assert bad(policy) == [(Level.NOTE, "retention")]
        assert (Level.MISSING, "retention") in bad(policy, scratch=True)
        assert "30 days" in next(found.found for found in judged(policy) if found.remedy)

    def test_a_default_hold_is_wrong(self):
        assert bad({"defaultEventBasedHold": True}) == [(Level.MISSING, "retention")]

    @pytest.mark.parametrize(
        "access", [{}, {"publicAccessPrevention": "enforced"}, {"uniformBucketLevelAccess": {"enabled": True}}]
    )
    def test_access_should_be_uniform_and_never_public(self, access):
        assert bad({"iamConfiguration": access}) == [(Level.NOTE, "access")]


class TestLooking:
    def test_every_bucket_of_the_store_is_looked_at(self):
        name = new_prefix().replace("/", "-")
        bucket = client().bucket(name)
        bucket.add_lifecycle_delete_rule(age=30)
        bucket.create()
        found = [*new_store(bucket=name, staging=STAGING).look_at_settings()]
        assert {one.what.split(":")[1] for one in found} == {f"//{name}", f"//{STAGING}"}
        assert [one.what for one in found if one.level is Level.MISSING] == [f"gs://{name}: lifecycle"]

    def test_not_being_allowed_to_look_is_worth_knowing_and_no_error(self):
        server().grant("nobody", [])
        try:
            [found] = new_store(token="nobody").look_at_settings()
        finally:
            server().reset()
        assert found.level is Level.NOTE
        assert "storage.buckets.get" in found.remedy
