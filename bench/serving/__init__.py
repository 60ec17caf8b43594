"""A server that is never what is measured: large answers are sent from files, all others come from the sandbox."""
