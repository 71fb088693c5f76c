"""Dataclasses that nothing changes: the type checker sees to that, at no cost while they are made.

`dataclasses` guards a frozen class at run time as well. Each attribute is then set by a detour, and
making one takes three times as long; a turn makes dozens of them for each event.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:  # its checker knows the fields, and that they are not to be set
    from dataclasses import dataclass as dataclass
else:
    ClassT = TypeVar("ClassT", bound=type)

    def dataclass(**options: Any) -> Any:
        """Make a class a dataclass; one that is frozen compares and hashes as frozen ones do."""
        if options.pop("frozen", False):
            options["unsafe_hash"] = True
        return dataclasses.dataclass(**options)
