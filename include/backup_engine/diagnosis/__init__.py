"""The troubleshooting list, answered: disk, rights, network, server and low-traffic window, tried out now."""
