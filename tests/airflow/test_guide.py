"""A server of the guide's dialect, which has nothing but its backup API: backed up, and restored elsewhere."""

import pytest

from backup_engine.archive.manifest import BackupState
from backup_engine.model import ReadWay, system_clock
from tests.airflow.places import content, fill_guide, running_sandbox
from tests.airflow.runs import run_dag
from tests.engine.captures import only_backup

pytestmark = [pytest.mark.timeout(180), pytest.mark.usefixtures("airflow_database")]


def test_it_is_backed_up_over_its_backup_api_and_restored_elsewhere(tmp_path, store, beta, beta_store) -> None:
    with running_sandbox(tmp_path / "guide", "alpha", dialect="guide") as sandbox:
        fill_guide(sandbox.url, "docs", 120)
        fill_guide(sandbox.url, "images", 30)
        run = run_dag("vectorizer_alpha_full_backup")
    assert run.state == "success", run.tasks
    backup = only_backup(store, system_clock)
    assert backup.state is BackupState.GOOD
    assert backup.verified_at is not None
    assert {private.name: summary.vectors for summary, private in backup.manifest.each()} == {"docs": 120, "images": 30}
    assert run.xcom("commit_backup")["ways"] == {ReadWay.BACKUP_API: 2}
    conf = {"restore_point": "latest", "target": "beta", "allow_quantization": True, "dry_run": False}
    restored = run_dag("vectorizer_alpha_restore", conf)
    assert restored.state == "success", restored.tasks
    assert {name: len(content(beta, name)) for name in ("docs", "images")} == {"docs": 120, "images": 30}
