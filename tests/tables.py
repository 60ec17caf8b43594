"""Tables as they are compared: without the spaces that put them in columns."""

import re


def squeezed(text: str) -> str:
    """Write every run of spaces as one."""
    return re.sub(" +", " ", text)
