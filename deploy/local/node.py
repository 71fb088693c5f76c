"""Vendors' clients from npm, pinned in deploy/node, for the tests that drive Waitline with them."""

import shutil
from pathlib import Path

from deploy.local.cache import cached_folder, fill_once
from deploy.local.process import Guard
from deploy.local.version import major_version

PINNED = Path(__file__).parents[1] / "node"
FILES = [PINNED / name for name in ("package.json", "package-lock.json", ".npmrc")]

VERSION_MIN = 20
"""The oldest Node that runs the pinned packages."""


class NodeMissingError(RuntimeError):
    """No Node here is new enough, or it has no npm; the message says which, and what to install."""


def find_node() -> Path:
    """Find a `node` of version 20 or newer that has an npm beside it on PATH.

    Raises:
        NodeMissingError: when there is none.
    """
    node = shutil.which("node")
    found = major_version(node, "--version", "v") if node else 0
    if node is None or found < VERSION_MIN:
        here = f"Node {found} is too old" if found else "Node is missing"
        raise NodeMissingError(f"{here}: install Node >= {VERSION_MIN} with npm")
    if shutil.which("npm") is None:
        raise NodeMissingError("npm is missing: install the npm that belongs to this Node")
    return Path(node)


def fetch_packages() -> Path:
    """Answer the folder of the pinned packages, having npm fill it if it is not there.

    Raises:
        NodeMissingError: when there is no Node or npm to fill it with, or to use it.
        ProcessFailedError: when npm could not install; the message has its last lines.
    """
    find_node()
    return fill_once(cached_folder("node", FILES), _install)


def _install(unfinished: Path) -> None:
    """Install what the lock pins, by its hashes; no script of a package is run."""
    unfinished.mkdir()
    for file in FILES:
        shutil.copy(file, unfinished)
    with Guard() as guard:
        command = ["npm", "--prefix", unfinished, "ci", "--omit=optional"]
        guard.run(command, log=guard.folder / "npm.log")
