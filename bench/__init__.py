"""How fast and how small, against the way the operating guide describes, in one run on one machine."""
