"""Trying a store out before anything depends on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from backup_engine import wording
from backup_engine.errors import ConfigurationError
from backup_engine.findings import Level, count_missing
from vectorizer_backup.dag_defaults import url_of
from vectorizer_backup.retrying import ErrorClassPolicy

if TYPE_CHECKING:
    from airflow.sdk import Context


class CheckStoreOperator(BaseOperator):
    """Tries whether a place keeps what a store has to promise: create-only, replace, ranges, listing, joining,
    deleting, its clock, the rights, and how its bucket is set up.

    Works on objects of its own and leaves nothing behind; backups that lie there are not touched. For DAGs of your own:
    before a bucket is taken into use, and now and then, because somebody may change its settings. Hands on what was
    found, and fails when something is missing.

    :param store: its address, as deployments.yaml has it, with connection and options; templated
    :raises ConfigurationError: it cannot be a store as it is; the message says what is missing
    """

    template_fields = ("store",)

    def __init__(self, *, store: str, **kwargs: Any) -> None:
        super().__init__(**{"retry_policy": ErrorClassPolicy(), **kwargs})
        self.store = store

    def execute(self, context: Context) -> list[dict[str, str]]:
        """Check."""
        from backup_engine.model import system_clock
        from backup_engine.storage.checking import check_store
        from vectorizer_backup.connecting import new_token, open_root

        findings = list(check_store(open_root(self.store), system_clock, new_token()))
        rows = [(one.level.value, one.what, one.found, one.remedy or "-") for one in findings]
        for line in wording.markdown_table(("", "what", "found", "how to mend it"), rows).splitlines():
            self.log.info("%s", line)
        if count_missing(findings):
            missing = [f"{one.what}: {one.found} ({one.remedy})" for one in findings if one.level is Level.MISSING]
            raise ConfigurationError(f"{url_of(self.store)} cannot be a store as it is: {'; '.join(missing)}")
        return [one.as_json() for one in findings]
