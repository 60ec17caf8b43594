"""What the tests of stores under bad luck share: one S3 server behind a proxy for each module."""

import pytest

from tests.fire.stores_scene import ground


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    with ground(tmp_path_factory.mktemp("seaweedfs")) as made:
        yield made


@pytest.fixture(scope="module")
def client(place):
    return place.client()
