"""The server's own backup API, and what it makes: never believed without counting."""
