import pytest

from tests.storage.places import SHARED, STORES


@pytest.fixture(params=STORES)
def place(request, tmp_path):
    with STORES[request.param](tmp_path) as place:
        yield place


@pytest.fixture
def store(place):
    return place.open()


@pytest.fixture(params=SHARED)
def shared(request, tmp_path):
    with SHARED[request.param](tmp_path) as place:
        yield place
