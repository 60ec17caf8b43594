"""Every store keeps the contract."""

from tests.storage.suite import SharedStoreContract, StoreContract


class TestEveryStore(StoreContract):
    pass


class TestStoresOfSeveralProcesses(SharedStoreContract):
    pass
