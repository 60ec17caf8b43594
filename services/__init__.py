"""Real servers on this machine, started from packages: what the tests, the demo and the bench run against."""
