"""The same backups in several places: bringing them there, telling what is missing where, reading from any of them."""
