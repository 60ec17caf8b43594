"""How long each step may take: the last resort against what hangs, far beyond what it usually takes."""

from datetime import timedelta

PLANNING_TIMEOUT = timedelta(minutes=15)
"""A plan takes a few requests; the client's own deadlines end each of them long before."""

EXPORT_TIMEOUT = timedelta(hours=6)
"""Thirty million vectors at the slowest way of reading a server (1,435 a second, measured)."""

COMMIT_TIMEOUT = timedelta(hours=2)
"""Joining is a copy inside the store: 700 GB on a disk that does 100 MB a second."""

VERIFICATION_TIMEOUT = timedelta(hours=6)
"""Verification reads what an export wrote, and reads faster than a server answers."""

COPY_TIMEOUT = timedelta(hours=6)
"""A copy is written and read back: 135 GB over a line of 100 Mbit a second."""

SYNC_TIMEOUT = timedelta(hours=24)
"""Rebuilding a lost store: 540 GB for each stream over that line. Stopped there, the next try goes on."""

PRUNING_TIMEOUT = timedelta(hours=6)
"""Three thousand backups, some ten requests for each, at half a second a request. The next try goes on."""

BACKUP_TIMEOUT = timedelta(hours=22)
"""A run that is still going then would meet tomorrow's; all steps at their own limits take less."""

INCREMENT_COPY_TIMEOUT = timedelta(minutes=30)
"""The next increments wait for no copy: what takes longer is brought by the sync."""

MOST_INCREMENTALS = 5
"""Runs side by side: three that still copy what they made, one at work, and one that finds it so and gives way."""

WATCH_TIMEOUT = timedelta(minutes=12)
"""A run of the watch that still goes on then is stuck; all its steps at their own limits take less."""

LOOKING_TIMEOUT = timedelta(minutes=4)
"""The stores and servers of all deployments are asked side by side, and none is waited for longer than two minutes."""

TELLING_TIMEOUT = timedelta(minutes=4)
"""Several deployments, each with some channels that do not answer."""

MEASURING_TIMEOUT = timedelta(minutes=1)
"""A heartbeat and some datagrams."""

POKE_INTERVAL = timedelta(seconds=15)
"""A loading server answers nothing for a minute at a time: asking more often tells no more."""

SILENCE_TIMEOUT = timedelta(hours=12)
"""The last resort of a wait that judges by itself when a server has been silent for too long."""
