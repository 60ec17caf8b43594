"""Under fire: a fault at every request of a restore. Nothing live is lost, nothing is called equal that is not, and
``resume`` ends what a fault stopped.
"""

from __future__ import annotations

import numpy as np
import pytest

from backup_engine.errors import BackupError, CollectionNotFound, PermanentError
from backup_engine.restore.execution import execute_restore
from backup_engine.restore.lifecycle import release_restore, resume_restore
from backup_engine.restore.planning import prepare_restore
from backup_engine.restore.request import RestoreMode, RestoreRequest
from tests.engine.captures import Time, capture, new_store
from tests.fire.faults import LASTING, PASSING, RESTARTS, SLOW, requests_of, struck, struck_requests, tells_what_to_do
from tests.fire.outside import Collection, Outside, Sight, unlike
from tests.fire.servers import client, process
from tests.fire.trips import backup_in, reader_of, some_word

CLOCK = Time()
RESTORED = ("created", "replaced")
ALIASES = {"name of created": "created", "name of replaced": "replaced"}


class Ground:
    """A server, what it held when its backup was made, and what it holds now, again and again."""

    def __init__(self, server) -> None:
        self.server = server
        self.outside = Outside(server.url)
        self._rows = np.random.default_rng(3).standard_normal((60, 6)).astype(np.float32)
        self.store = new_store(CLOCK)
        self.outside.create("other", 6)
        self.outside.write("other", self._some(range(5)))
        self.outside.create("created", 6, "Euclid", index=(5, 20))
        self.outside.write("created", self._some(range(20)), {"r1": "text", "r2": {"n": 0.1}})
        self.outside.create("replaced", 6)
        self.outside.write("replaced", self._some(range(20, 50)), {"r21": {"n": 1}})
        for alias, name in ALIASES.items():
            self.outside.alias(alias, name)
        self.then = self.outside.see(*RESTORED)
        self.backup = capture(client(server.url), self.store, CLOCK, collections=RESTORED).name

    def _some(self, numbers) -> dict[str, np.ndarray]:
        return {f"r{n}": self._rows[n] for n in numbers}

    def prepare(self) -> None:
        """Bring the server to what it is before every restore: one collection lost, one changed."""
        server = client(self.server.url)
        for alias in server.aliases():
            server.delete_alias(alias)
        for state in server.collections():
            if state.name != "other":
                self.outside.drop(state.name)
        self.outside.flush("other")
        self.outside.create("replaced", 6)
        self.outside.write("replaced", self._some(range(40, 60)), {"r41": {"newer": True}})
        self.outside.alias("name of replaced", "replaced")
        self.outside.flush("replaced")

    def see(self) -> Sight:
        return self.outside.see()


class Restoring:
    """One restore of everything, as often as it takes."""

    def __init__(self, ground: Ground, **settings) -> None:
        ground.prepare()
        self._ground = ground
        self._server = client(ground.server.url, **settings)
        self.before = ground.see()
        self.id = some_word()
        self.report = None

    def __call__(self) -> None:
        store, backup = self._ground.store, backup_in(self._ground.store, self._ground.backup)
        request = RestoreRequest(restore_id=self.id, backup=self._ground.backup, mode=RestoreMode.REPLACE)
        plan = prepare_restore(request, backup.manifest, self._server, store)
        self.report = execute_restore(plan, reader_of(store, backup), self._server, store, CLOCK, owner="a test")

    def resume(self) -> None:
        """A new attempt: of the restore if it was planned already, else from the start."""
        store = self._ground.store
        if any(store.list(f".staging/restore-{self.id}/")):
            self.report = resume_restore(self.id, store, self._server, CLOCK, owner="a test")
        else:
            self()

    def release(self) -> None:
        release_restore(self.id, self._server, self._ground.store, CLOCK, "a test")


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    with process(tmp_path_factory.mktemp("server")) as started:
        yield Ground(started)


@pytest.fixture(scope="module")
def requests(ground) -> int:
    found = requests_of(ground.server, Restoring(ground))
    assert found > 50
    return found - 1  # with the answer to the last one all is done


def assert_nothing_is_lost(restoring: Restoring, now: Sight, *, exactly: bool) -> None:
    """What was live has its name, or the name that the restore gave it; a restart may have changed values."""
    assert same(restoring.before.collections["other"], now.collections["other"], exactly)
    old = restoring.before.collections["replaced"]
    held = [now.collections.get(name) for name in ("replaced", f"replaced__before_{restoring.id}")]
    assert any(same(old, one, exactly) for one in held if one), f"lost; there is {[*now.collections]}"


def same(one: Collection, other: Collection, exactly: bool) -> bool:
    if exactly:
        return one.records == other.records
    return dict(zip(one.ids, one.payloads, strict=True)) == dict(zip(other.ids, other.payloads, strict=True))


def assert_restored(ground: Ground, restoring: Restoring) -> None:
    """It is what the backup holds, by somebody else's reading; then what it replaced is let go, and nothing is left."""
    assert restoring.report is not None
    now = ground.see()
    restored = {name: now.collections[name] for name in RESTORED}
    for difference in unlike(ground.then, Sight(restored, now.aliases)):
        assert any(repr(name) in difference and noted(restoring, name) for name in RESTORED), difference
    assert_nothing_is_lost(restoring, now, exactly=False)
    restoring.release()
    assert ground.see().collections.keys() == {*RESTORED, "other"}


def noted(restoring: Restoring, name: str) -> bool:
    """A restart that came after a collection had its name again has changed its values, and the report says so."""
    return any(repr(name) in note and "the server restarted" in note for note in restoring.report.notes)


def assert_told(error: BackupError | None, ground: Ground) -> None:
    assert error is None or tells_what_to_do(error, ground.server.url, *RESTORED), f"{type(error).__name__}: {error}"


def test_without_a_fault_everything_comes_back(ground):
    restoring = Restoring(ground)
    restoring()
    assert_restored(ground, restoring)
    assert not any(noted(restoring, name) for name in RESTORED)


@pytest.mark.parametrize("fault", [*PASSING])
def test_a_fault_that_passes_at_any_request_is_survived_or_resumed(ground, requests, fault):
    for request in struck_requests(requests, PASSING, fault, every=23):
        restoring = Restoring(ground)
        error = struck(ground.server, PASSING[fault](request), restoring)
        assert_told(error, ground)
        assert not isinstance(error, PermanentError), f"request {request}: {error}"
        assert_nothing_is_lost(restoring, ground.see(), exactly=True)
        if error is not None:
            restoring.resume()
        assert_restored(ground, restoring)
        assert not any(noted(restoring, name) for name in RESTORED)


@pytest.mark.parametrize("fault", [*RESTARTS])
def test_a_server_that_restarts_at_any_request_loses_nothing_and_the_restore_is_resumed(ground, requests, fault):
    for request in struck_requests(requests, RESTARTS, fault, every=19):
        restoring = Restoring(ground)
        error = struck(ground.server, RESTARTS[fault](request), restoring)
        assert_told(error, ground)
        assert not isinstance(error, CollectionNotFound), f"request {request}: {error}"
        assert_nothing_is_lost(restoring, ground.see(), exactly=False)
        if error is not None:
            restoring.resume()
        assert_restored(ground, restoring)


@pytest.mark.parametrize("fault", [*LASTING])
def test_a_server_that_fails_from_any_request_on_ends_the_restore_and_it_is_resumed(ground, requests, fault):
    for request in struck_requests(requests, LASTING, fault, every=29):
        restoring = Restoring(ground)
        error = struck(ground.server, LASTING[fault](request), restoring)
        assert error is not None
        assert_told(error, ground)
        assert_nothing_is_lost(restoring, ground.see(), exactly=True)
        restoring.resume()
        assert_restored(ground, restoring)


@pytest.mark.parametrize("fault", [*SLOW])
def test_a_server_that_is_silent_for_longer_than_the_client_waits_is_asked_again(ground, requests, fault):
    for request in struck_requests(requests, SLOW, fault, every=61):
        restoring = Restoring(ground, read_timeout=0.4, deadline=2.0)
        error = struck(ground.server, SLOW[fault](request), restoring)
        assert_told(error, ground)
        assert_nothing_is_lost(restoring, ground.see(), exactly=True)
        if error is not None:
            restoring.resume()
        assert_restored(ground, restoring)
