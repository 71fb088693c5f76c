"""What runs would send if they went on: told before an automation is released (rule T3)."""

from __future__ import annotations

from typing import Literal

from handlers.steps import KINDS
from state.automation import DEFAULT_BRANCH, Version

#: Whether a run comes to a send before it stops again: some of it depends on what no count tells.
Sends = Literal["surely", "perhaps", "never"]

_SENDS = frozenset({"send_email", "send_push"})


class Forecast:
    """Looks ahead in one version, from any of its steps."""

    def __init__(self, version: Version) -> None:
        self._version = version
        self._known: dict[str, Sends] = {}

    def after(self, step_key: str, branch: str = DEFAULT_BRANCH) -> Sends:
        """Return whether a run that leaves a step by this branch sends before it parks or ends.

        A condition may go either way; a wait may have been answered before it opens (rule W2).
        """
        following = self._version.successors.get((step_key, branch))
        if following is None:
            return "never"
        if following not in self._known:
            self._known[following] = self._at(following)
        return self._known[following]

    def after_arm(self, step_key: str, place: int) -> Sends:
        """Return the same of a run whose wait is closed by its arm at this place (rule W7)."""
        return self.after(step_key, self._version.arms[step_key][place].branch)

    def _at(self, step_key: str) -> Sends:
        kind = self._version.steps[step_key].type
        if kind in _SENDS:
            return "surely"
        if kind == "delay":
            return "never"
        arms = self._version.arms.get(step_key)
        branches = [arm.branch for arm in arms] if arms else KINDS[kind].branches
        found = {self.after(step_key, branch) for branch in branches}
        if found == {"never"}:
            return "never"
        return "surely" if found == {"surely"} and not arms else "perhaps"
