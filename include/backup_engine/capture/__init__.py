"""Capture: reading a server's state once. Plan, then export streams; ``commit`` makes a backup of what they left."""
