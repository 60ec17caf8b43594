"""What Arrow holds, from whichever of its pools."""

import pyarrow as pa


def arrow_bytes() -> int:
    """Bytes in the pool that Arrow uses by itself, and in the one that parts are made in."""
    pools = {pool.backend_name: pool for pool in (pa.default_memory_pool(), pa.system_memory_pool())}
    return sum(pool.bytes_allocated() for pool in pools.values())
