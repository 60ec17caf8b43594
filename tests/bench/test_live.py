"""What the bench does to a server that is not its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from backup_engine.model import ServerFacts
from backup_engine.vectorizer.server import VectorizerServer, connect
from bench.live import filled, forecast, possible
from bench.parameters import Kept, Shape, restored_name
from sandbox.process import SandboxProcess

SHAPE = Shape(Kept.SQ8, 1_200, 8)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[VectorizerServer]:
    with SandboxProcess(tmp_path) as process:
        yield connect(process.url)


def names(server: VectorizerServer) -> list[str]:
    return [state.name for state in server.collections()]


def test_a_collection_of_its_own_is_filled_and_goes_with_what_was_restored_of_it(server: VectorizerServer) -> None:
    server.create_collection("theirs", SHAPE.configuration)
    with filled(server, SHAPE) as name:
        server.create_collection(restored_name(name), SHAPE.configuration)
        assert {state.name: state.vectors for state in server.collections()}[name] == SHAPE.vectors
    assert names(server) == ["theirs"]


def test_it_goes_when_the_run_fails_too_with_what_a_restore_holds_aside(server: VectorizerServer) -> None:
    with pytest.raises(ValueError, match="broken"):
        _broken_run(server)
    assert names(server) == []


def _broken_run(server: VectorizerServer) -> None:
    with filled(server, SHAPE) as name:
        server.create_collection(f"{restored_name(name)}__restore_0123456789ab", SHAPE.configuration)
        raise ValueError("broken")


def test_people_are_told_beforehand_how_long_it_takes_and_what_stays() -> None:
    text = forecast([Shape(Kept.FLOATS, 20_000, 512), Shape(Kept.SQ8, 20_000, 384)], rounds=1)
    assert "4 min 27 s at 300 vectors a second" in text
    assert "2 files" in text


def test_floats_take_the_dimension_that_the_server_keeps_floats_in() -> None:
    bound = ServerFacts(url="http://it", version="3.5.0", unquantized_dimensions=(512,))
    free = bound.model_copy(update={"unquantized_dimensions": None})
    floats, codes = Shape(Kept.FLOATS, 10, 384), Shape(Kept.SQ8, 10, 384)
    assert possible(floats, bound).dimension == 512
    assert (possible(codes, bound).dimension, possible(floats, free).dimension) == (384, 384)
