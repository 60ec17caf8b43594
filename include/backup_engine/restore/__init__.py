"""Bringing a backup back: planned first, loaded aside, compared, then swapped in."""
