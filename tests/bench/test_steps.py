"""Every measured step does the whole of what it is called, or fails."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from backup_engine.archive.manifest import BackupState
from backup_engine.errors import UnknownCollection
from bench import steps
from bench.measurement import Step, measured
from bench.parameters import COLLECTION, Kept, Shape, restored_name
from bench.process import served
from bench.steps import Place
from bench.stores import s3_server
from bench.workers import STREAMS, side_by_side


@pytest.fixture(params=list(Kept), scope="module")
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(Shape(request.param, 1_500, 16), rendered=tmp_path_factory.mktemp("rendered")) as url:
        yield url


@pytest.fixture
def place(url: str, tmp_path: Path) -> Place:
    return Place(url, tmp_path)


def test_a_capture_commits_verifies_and_restores(place: Place) -> None:
    assert steps.capture(place).vectors == 1_500
    assert place.newest(place.store()).manifest.clear.state is BackupState.GOOD
    assert steps.verify_full(place).vectors == 1_500
    assert steps.verify_quick(place).vectors == 1_500
    assert steps.restore(place).vectors == 1_500
    states = {state.name: state.vectors for state in place.server().collections()}
    assert states == {COLLECTION: 1_500, restored_name(COLLECTION): 1_500}


def test_a_damaged_backup_is_no_measurement_of_a_verification(place: Place) -> None:
    steps.capture(place)
    archive = next((place.folder / "store").rglob("*.tar.gz"))
    content = bytearray(archive.read_bytes())
    content[len(content) // 2] ^= 1
    archive.write_bytes(content)
    with pytest.raises(AssertionError):
        steps.verify_full(place)


@pytest.fixture(scope="module")
def _s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with s3_server(tmp_path_factory.mktemp("s3")):
        yield


@pytest.mark.usefixtures("_s3")
def test_captures_and_copies_to_an_s3_server_end_in_stores_there(place: Place) -> None:
    local = steps.capture(place)
    assert steps.capture_to_s3(place).vectors == 1_500
    assert steps.copy_to_s3(place) == local
    copied = steps.copy_s3_to_s3(place)
    held = [place.newest(place.bucket(name)) for name in ("primary", "copy", "copy-of-primary")]
    assert [one.manifest.clear.vectors for one in held] == [1_500] * 3
    assert [one.archive.bytes for one in held] == [held[0].archive.bytes, local.bytes, copied.bytes]


def test_workers_side_by_side_make_a_good_backup_of_all_of_it(tmp_path: Path) -> None:
    shape = Shape(Kept.SQ8, 1_500, 16)
    with served(shape, rendered=tmp_path / "rendered", collections=STREAMS) as url:
        for workers in (1, 2):
            found = side_by_side(url, tmp_path / str(workers), workers, None)
            assert (found.workers, found.vectors) == (workers, 3_000)
            assert found.cpu_seconds > 0
            assert 0 <= found.busy <= 1


def test_a_worker_that_fails_is_no_measurement(tmp_path: Path) -> None:
    with served(Shape(Kept.SQ8, 10, 4), rendered=tmp_path / "rendered") as url, pytest.raises(UnknownCollection):
        side_by_side(url, tmp_path, 2, None)


def test_a_step_is_measured_in_a_process_of_its_own(place: Place) -> None:
    found = {step: measured(step, place.url, str(place.folder), COLLECTION) for step in (Step.READ, Step.GUIDE)}
    assert found[Step.READ].vectors == 1_500
    assert found[Step.READ].bytes > 1_500 * 16 * 8
    assert found[Step.GUIDE].bytes == (place.folder / "backup.tar.gz").stat().st_size
    assert all(one.cpu_seconds > 0 and one.memory_bytes > 10 << 20 for one in found.values())
