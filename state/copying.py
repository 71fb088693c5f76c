"""Changed copies of frozen dataclasses, quickly: a turn makes a dozen of them for each event.

`dataclasses.replace` calls the class again, and a frozen one sets each attribute by a slow detour.
Here all slots are copied by a function that is written once for each class.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # its checker knows the fields of each class
    from dataclasses import replace as replace
else:

    def replace(instance: Any, /, **changes: Any) -> Any:
        """Return a copy of a slotted dataclass with these fields changed; it is checked again."""
        cls = type(instance)
        copier = _COPIERS.get(cls)
        if copier is None:
            copier = _COPIERS[cls] = _Copier(cls)
        return copier.copy(instance, changes)


class _Copier:
    """Copies instances of one class."""

    def __init__(self, cls: type) -> None:
        assert "__slots__" in vars(cls), f"{cls.__name__} has no slots to copy"
        names = [each.name for each in fields(cls)]
        #: Slots' own setters pass by what freezes a class.
        self._setters = {name: getattr(cls, name).__set__ for name in names}
        self._fill = _filler(self._setters)
        self._new: Callable[[type], Any] = object.__new__
        self._class = cls
        self._check: Callable[[Any], None] | None = getattr(cls, "__post_init__", None)

    def copy(self, instance: Any, changes: dict[str, Any]) -> Any:
        """Return a changed copy."""
        made = self._new(self._class)
        self._fill(made, instance)
        setters = self._setters
        for name, value in changes.items():
            setters[name](made, value)
        if self._check is not None:
            self._check(made)
        return made


def _filler(setters: dict[str, Callable[[Any, Any], None]]) -> Callable[[Any, Any], None]:
    """Return a function that copies every field from its second argument to its first."""
    lines = [f"    set_{name}(made, instance.{name})" for name in setters]
    source = "\n".join(("def fill(made, instance):", *lines))
    scope: dict[str, Any] = {f"set_{name}": setter for name, setter in setters.items()}
    exec(source, scope)  # noqa: S102 - only the names of fields stand in it
    fill: Callable[[Any, Any], None] = scope["fill"]
    return fill


_COPIERS: dict[type, _Copier] = {}
