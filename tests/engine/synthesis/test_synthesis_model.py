"""Whatever happens to a server, to its chains and to what is thinned out of them: every point is the model's state."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backup_engine.archive.manifest import BackupKind, archive_key, sidecar_key
from backup_engine.catalog import Catalog
from backup_engine.chain import dependents
from backup_engine.synthesis import synthesize
from tests.engine.captures import stored_content
from tests.engine.points import thin
from tests.engine.samples import some_records
from tests.engine.synthesis.scene import Scene, restored
from tests.engine.test_points_model import STEPS, History

_numbers = st.integers(0, 30)
_steps = st.one_of(
    st.tuples(st.just("write"), st.lists(_numbers, min_size=1, max_size=6), st.integers(1, 3)),
    st.tuples(st.just("erase"), st.lists(_numbers, min_size=1, max_size=6), st.just(0)),
    st.tuples(st.just("anew"), st.just([]), st.sampled_from([4, 8])),
    st.tuples(st.just("capture"), st.just([]), st.just(0)),
    st.tuples(st.just("synthesize"), st.just([]), st.integers(0, 20)),
    st.tuples(st.just("thin"), st.just([]), st.integers(0, 20)),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(_steps, max_size=25))
def test_every_point_restores_to_its_state_also_after_synthetic_fulls_and_thinning(steps) -> None:
    scene = Scene()
    scene.capture(incremental=False, hours=1)
    for kind, numbers, value in [*steps, ("capture", [], 0)]:
        _do(scene, kind, numbers, value)
    held = Catalog(scene.store, scene.clock)
    assert held.unreadable == ()
    for backup in held.backups():
        source = backup.manifest.clear.synthesized_from or backup.name
        assert restored(scene.store, backup.name, scene.clock) == scene.states[source]
        if backup.kind is BackupKind.FULL:
            assert stored_content(scene.store, backup.folder, backup.name) == scene.states[source]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS, st.data())
def test_odd_records_restarts_and_collections_made_anew_come_out_of_synthetic_fulls_as_they_were(steps, data) -> None:
    history = History()
    history.capture(incremental=False)
    for step in steps:
        history.happen(*step)
        name = history.capture()
        if data.draw(st.booleans(), label="synthesize") and _is_incremental(history, name):
            made = synthesize(history.store, name, history.clock, f"of-{name}")
            history.states[made.name] = history.states[name]
            history.configurations[made.name] = history.configurations[name]
    history.check(history.states)
    kept = thin(history.store, history.clock, [*history.states][::3])
    history.check([one.name for one in kept])


def _is_incremental(history: History, name: str) -> bool:
    return Catalog(history.store, history.clock).find(name).kind is BackupKind.INCREMENTAL


def _do(scene: Scene, kind: str, numbers: list[int], value: int) -> None:
    dimension = scene.server.live["docs"].configuration.dimension
    if kind == "write":
        scene.server.upsert("docs", some_records(sorted({*numbers}), dimension, seed=value))
    if kind == "erase":
        scene.server.erase("docs", [f"r{number}" for number in numbers])
    if kind == "anew":
        scene.server.drop("docs")
        scene.server.fill("docs", 60, dimension=value)
    if kind == "capture":
        scene.capture()
    if kind == "synthesize":
        _synthesize(scene, value)
    if kind == "thin":
        _thin(scene, value)


def _synthesize(scene: Scene, number: int) -> None:
    incrementals = [
        one
        for one in Catalog(scene.store, scene.clock).backups()
        if one.kind is BackupKind.INCREMENTAL and one.good_whole
    ]
    if incrementals:
        chosen = incrementals[number % len(incrementals)]
        made = synthesize(scene.store, chosen.name, scene.clock, f"try{number}")
        assert made.of == chosen.name


def _thin(scene: Scene, number: int) -> None:
    """Delete one that nothing hangs on."""
    backups = Catalog(scene.store, scene.clock).backups()
    free = [one for one in backups[1:] if not dependents(one.name, backups)]
    if free:
        gone = free[number % len(free)]
        scene.store.delete([sidecar_key(gone.folder, gone.name), archive_key(gone.folder, gone.name)])
