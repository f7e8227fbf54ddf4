"""`${stageVariables.name}` in URIs and ARNs (spec 4.3, 12.4)."""

from __future__ import annotations

import re
from collections.abc import Mapping

_REFERENCE = re.compile(r"\$\{stageVariables\.([A-Za-z0-9_]+)\}")


def references(text: str) -> list[str]:
    """The names of the stage variables that `text` refers to."""
    return _REFERENCE.findall(text)


def substitute(text: str, variables: Mapping[str, str]) -> str:
    """`text` with each reference replaced, once; an undefined variable is empty."""
    return _REFERENCE.sub(lambda match: variables.get(match[1], ""), text)
