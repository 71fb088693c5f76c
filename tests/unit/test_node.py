"""Where npm's clients come from: pinned, installed once, and loudly absent without Node."""

import json
import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from deploy.local.cache import cached_folder, fill_once
from deploy.local.node import PINNED, NodeMissingError, find_node
from tests.clients.node_clients import packages_or_skip


def on_path(folder: Path, monkeypatch: pytest.MonkeyPatch, **programs: str) -> None:
    """Let PATH lead to these programs alone, each of which says something."""
    for name, said in programs.items():
        program = folder / name
        program.write_text(f"#!/bin/sh\necho {said}\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


@pytest.mark.parametrize(
    ("programs", "said"),
    [
        ({}, "Node is missing: install Node >= 20 with npm"),
        ({"node": "v18.20.4", "npm": "9"}, "Node 18 is too old: install Node >= 20 with npm"),
        ({"node": "nonsense", "npm": "9"}, "Node is missing"),
        ({"node": "v20.0.0"}, "npm is missing"),
    ],
)
def test_node_that_does_not_do_is_said_to_be_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, programs: dict[str, str], said: str
) -> None:
    on_path(tmp_path, monkeypatch, **programs)
    with pytest.raises(NodeMissingError, match=re.escape(said)):
        find_node()


def test_a_new_enough_node_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on_path(tmp_path, monkeypatch, node="v20.0.0", npm="10")
    assert find_node() == tmp_path / "node"


def test_without_node_the_tests_skip_and_say_what_is_not_shown_but_fail_in_ci(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_path(tmp_path, monkeypatch)
    monkeypatch.delenv("CI", raising=False)
    told = r"NOT SHOWN: that npm's resend, resend-cli and @revkeen/sdk work .* install Node >= 20"
    with pytest.raises(pytest.skip.Exception, match=told):
        packages_or_skip()
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match=told):
        packages_or_skip()


def test_every_package_is_pinned_to_a_version_and_a_hash_and_to_no_registry() -> None:
    wanted: dict[str, Any] = json.loads((PINNED / "package.json").read_text())
    locked = json.loads((PINNED / "package-lock.json").read_text())["packages"]
    assert locked.pop("")["dependencies"] == wanted["dependencies"]
    for name, version in wanted["dependencies"].items():
        assert locked[f"node_modules/{name}"]["version"] == version
    for name, package in locked.items():
        assert package["integrity"].startswith("sha512-"), name
        assert "resolved" not in package, name


def test_a_folder_is_filled_once_and_seen_only_whole(tmp_path: Path) -> None:
    folder = tmp_path / "cache" / "things-1"
    filled: list[Path] = []

    def fill(unfinished: Path) -> None:
        assert not folder.exists()
        unfinished.mkdir()
        (unfinished / "thing").touch()
        filled.append(unfinished)

    interrupted = folder.with_suffix(".part")
    interrupted.mkdir(parents=True)
    (interrupted / "half").touch()
    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(lambda _: fill_once(folder, fill), range(4)))
    assert (found, filled) == ({folder}, [interrupted])
    assert os.listdir(folder) == ["thing"]


def test_what_could_not_be_filled_is_filled_the_next_time(tmp_path: Path) -> None:
    folder = tmp_path / "things-1"

    def break_down(unfinished: Path) -> None:
        unfinished.mkdir()
        raise OSError("no network")

    with pytest.raises(OSError, match="no network"):
        fill_once(folder, break_down)
    assert not folder.exists()
    assert fill_once(folder, Path.mkdir) == folder


def test_other_sources_have_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    source = tmp_path / "lock"
    source.write_text("one")
    before = cached_folder("things", [source])
    assert before == cached_folder("things", [source])
    assert before.parent == tmp_path / "waitline"
    source.write_text("two")
    assert cached_folder("things", [source]) != before
