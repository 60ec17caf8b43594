"""In a real Airflow: people hear of runs that are late or failed, once, through every channel, and of their end."""

from collections.abc import Iterator

import pytest
from sqlalchemy import NullPool, create_engine, text

from sandbox.rules import Rule
from services.waiting import poll
from tests.integration.conftest import HOOK_SECRET, WATCH, Site

pytestmark = pytest.mark.timeout(600)

SECONDS = 240.0
BACKUP = "vectorizer_late_full_backup"
VERIFICATION = "vectorizer_late_verification"
RESTORE = "vectorizer_late_restore"
CHANNELS = ("slack", "teams", "duty", "own", "notifier")
EVERYBODY_ONCE = dict.fromkeys(("mail", *CHANNELS), 1)


def _trigger(site: Site, dag_id: str, run_id: str, **conf: object) -> None:
    """Start a run under a name that every channel writes as it is."""
    site.dana.call("POST", f"/dags/{dag_id}/dagRuns", {"dag_run_id": run_id, "logical_date": None, "conf": conf})


def _heard(site: Site, word: str) -> dict[str, int]:
    """Count by channel the messages that have this word."""
    paths = [call.path.split("/")[1] for call in site.hooks.requests if word in call.body.decode()]
    mails = [mail for mail in site.mail.messages if word in mail.html and word in mail.text]
    return {"mail": len(mails), **{channel: paths.count(channel) for channel in CHANNELS}}


def _told(site: Site, kind: str, occasion: str, subject: str = "full_backup") -> list[dict[str, object]]:
    return [one for one in site.told() if (one["kind"], one["occasion"], one["subject"]) == (kind, occasion, subject)]


def _callbacks(site: Site, run_id: str) -> list[str]:
    """Tell how the callbacks of a run's missed deadlines stand; Airflow's API does not say."""
    query = (
        "SELECT callback.state FROM callback JOIN deadline ON deadline.callback_id = callback.id "
        "JOIN dag_run ON dag_run.id = deadline.dagrun_id WHERE dag_run.run_id = :run_id AND deadline.missed"
    )
    engine = create_engine(site.airflow.environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"], poolclass=NullPool)
    with engine.connect() as database:
        return [str(state) for (state,) in database.execute(text(query), {"run_id": run_id})]


def _wait_for_callback(site: Site, run_id: str) -> None:
    poll(lambda: _callbacks(site, run_id) == ["success"], f"the callback of the deadline of {run_id}", SECONDS)


def _wait_for_everybody(site: Site, run_id: str) -> None:
    poll(lambda: all(_heard(site, run_id).values()), f"everybody to hear of {run_id}", SECONDS)
    _wait_for_callback(site, run_id)
    assert _heard(site, run_id) == EVERYBODY_ONCE


@pytest.fixture(scope="module", autouse=True)
def tortoise(site: Site) -> Iterator[str]:
    """A backup that does not get on, after one that did; and no watch, whose looks tell causes of their own."""
    for dag_id in (BACKUP, VERIFICATION):
        site.dana.unpause(dag_id)
    _trigger(site, BACKUP, "hare1")
    poll(lambda: _nothing_goes_on(site, BACKUP) and _nothing_goes_on(site, VERIFICATION), "all runs to end", SECONDS)
    assert site.dana.run_state(BACKUP, "hare1") == "success", site.dana.task_states(BACKUP, "hare1")
    poll(lambda: not _open_lateness(site), "everybody to hear of the end of what was late", SECONDS)
    site.watch()
    for dag_id in (WATCH, VERIFICATION):
        _pause(site, dag_id)
    site.mail.clear()
    site.hooks.clear()
    site.late.place(Rule(what="slow", path="/points/scroll$|^/graphql$", seconds=SECONDS, times=1000))
    _trigger(site, BACKUP, "tortoise1")
    yield "tortoise1"
    site.late.clear()
    site.dana.unpause(WATCH)
    assert HOOK_SECRET not in site.airflow.log.read_text(encoding="utf-8")


def _pause(site: Site, dag_id: str) -> None:
    site.dana.call("PATCH", f"/dags/{dag_id}", {"is_paused": True}, update_mask="is_paused")


def _nothing_goes_on(site: Site, dag_id: str) -> bool:
    runs = site.dana.call("GET", f"/dags/{dag_id}/dagRuns", limit=50)["dag_runs"]
    return all(run["state"] in {"success", "failed"} for run in runs)


def _open_lateness(site: Site) -> bool:
    return len(_told(site, "run-late", "raised")) > len(_told(site, "run-late", "recovered"))


def test_a_verification_that_does_not_begin_is_late_and_its_good_end_settles_it(site: Site) -> None:
    _trigger(site, VERIFICATION, "snail1")
    _wait_for_everybody(site, "snail1")
    (late,) = _told(site, "run-late", "raised", "verification")
    assert "It has not begun" in str(late["found"])
    assert late["severity"] == "warning"
    site.dana.unpause(VERIFICATION)
    assert site.dana.wait_for_run(VERIFICATION, "snail1", SECONDS) == "success"
    poll(lambda: _told(site, "run-late", "recovered", "verification"), "everybody to hear of the end", SECONDS)


def test_a_restore_that_does_not_begin_is_late_and_that_is_critical(site: Site) -> None:
    _trigger(site, RESTORE, "snail2", restore_point="latest")
    _wait_for_everybody(site, "snail2")
    (late,) = _told(site, "run-late", "raised", "restore")
    assert late["severity"] == "critical"
    site.dana.call("DELETE", f"/dags/{RESTORE}/dagRuns/snail2")


def test_a_backup_that_is_late_is_told_once_through_every_channel_and_its_end_once(site: Site, tortoise: str) -> None:
    _wait_for_everybody(site, tortoise)
    assert site.dana.run_state(BACKUP, tortoise) == "running"
    (mail,) = [mail for mail in site.mail.messages if tortoise in mail.html]
    assert "full backup is late" in mail.subject
    for word in (f"{site.airflow.url}/dags/{BACKUP}/runs/{tortoise}", "has not ended", "network", "rights", "disk"):
        assert word.lower() in mail.html.lower(), word
    site.late.clear()
    assert site.dana.wait_for_run(BACKUP, tortoise, SECONDS) == "success", site.dana.task_states(BACKUP, tortoise)
    poll(lambda: _told(site, "run-late", "recovered"), "everybody to hear of the end", SECONDS)
    assert len(_told(site, "run-late", "raised")) == len(_told(site, "run-late", "recovered")) == 1
    assert not _told(site, "run-failed", "raised")
    events = [said for said in site.hooks.said("/duty") if said["payload"]["class"] == "run-late"]
    duty = [said["event_action"] for said in events if said["payload"]["component"] == "full_backup"]
    assert duty == ["trigger", "resolve"]


def test_a_backup_that_fails_is_told_once_and_its_missed_deadline_adds_nothing(site: Site) -> None:
    _trigger(site, BACKUP, "dropped1", collections=["unheard-of"])
    assert site.dana.wait_for_run(BACKUP, "dropped1", SECONDS) == "failed"
    _wait_for_everybody(site, "dropped1")
    (failed,) = _told(site, "run-failed", "raised")
    assert "plan_capture failed" in str(failed["found"])
    (message,) = [said for said in site.hooks.said(f"/own/{HOOK_SECRET}") if "dropped1" in str(said["run"])]
    assert message["run"]["url"] == f"{site.airflow.url}/dags/{BACKUP}/runs/dropped1"
    assert message["protection"]["rpo"] == pytest.approx(30)
    assert message["protection"]["fresh_at"]
    found = {probe["what"] for probe in message["probes"]}
    assert {"disk", "rights", "network", "server", "low-traffic window"} <= found
    _trigger(site, BACKUP, "caught1")
    assert site.dana.wait_for_run(BACKUP, "caught1", SECONDS) == "success", site.dana.task_states(BACKUP, "caught1")
    poll(lambda: _told(site, "run-failed", "recovered"), "everybody to hear of the end", SECONDS)
    assert len(_told(site, "run-failed", "raised")) == len(_told(site, "run-failed", "recovered")) == 1
    assert len(_told(site, "run-late", "raised")) == 1, "of the tortoise: people knew that backups failed"
