"""The store contract as tests. A store joins by one more parameter of the fixtures in ``tests/storage/conftest.py``.

``StoreContract`` holds for every store, ``SharedStoreContract`` for those that several processes can open.
"""

from tests.storage.suite.changing import Changing
from tests.storage.suite.listing import Listing
from tests.storage.suite.naming import Naming
from tests.storage.suite.reading import Reading
from tests.storage.suite.sharing import SharedStoreContract
from tests.storage.suite.writing import Writing

__all__ = ["SharedStoreContract", "StoreContract"]


class StoreContract(Writing, Reading, Changing, Listing, Naming):
    """All of it."""
