import pytest

from tests.storage import gcs_places, s3_places
from tests.storage.places import SHARED, STORES


@pytest.fixture(scope="session", autouse=True)
def _servers():
    """Stop what the places started."""
    yield
    s3_places.stop_server()
    gcs_places.stop_servers()


@pytest.fixture
def google():
    """Our own Google Cloud Storage, empty of rules."""
    gcs_places.server().reset()
    yield gcs_places.server()
    gcs_places.server().reset()


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
