"""Every measured step does the whole of what it is called, or fails."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from backup_engine.archive.manifest import BackupState
from bench import steps
from bench.measurement import Step, measured
from bench.parameters import COLLECTION, Kept, Shape, restored_name
from bench.process import served
from bench.steps import Place


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


def test_a_step_is_measured_in_a_process_of_its_own(place: Place) -> None:
    found = {step: measured(step, place.url, str(place.folder), COLLECTION) for step in (Step.READ, Step.GUIDE)}
    assert found[Step.READ].vectors == 1_500
    assert found[Step.READ].bytes > 1_500 * 16 * 8
    assert found[Step.GUIDE].bytes == (place.folder / "backup.tar.gz").stat().st_size
    assert all(one.cpu_seconds > 0 and one.memory_bytes > 10 << 20 for one in found.values())
