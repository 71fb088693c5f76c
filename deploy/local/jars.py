"""Kafka's jars: resolved once by Maven from deploy/kafka/pom.xml, then kept in the user's cache."""

import fcntl
import hashlib
import os
import shutil
from pathlib import Path

from deploy.local.java import find_java
from deploy.local.process import Guard, ProcessFailedError

POM = Path(__file__).parents[1] / "kafka" / "pom.xml"


def jars_folder() -> Path:
    """Name the folder of this pom's jars; it exists only when it is whole."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    fingerprint = hashlib.sha256(POM.read_bytes()).hexdigest()[:12]
    return Path(cache, "waitline", f"kafka-{fingerprint}")


def fetch_jars(guard: Guard) -> Path:
    """Answer the folder of the jars, having Maven fill it if it is not there.

    Two programs that start at once do not see half of it: one fills a folder beside it, under a
    lock, and renames it; the other waits.
    """
    folder = jars_folder()
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            unfinished = folder.with_suffix(".part")
            shutil.rmtree(unfinished, ignore_errors=True)  # what an interrupted start left
            _run_maven(guard, unfinished)
            unfinished.rename(folder)
    return folder


def _run_maven(guard: Guard, output: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise ProcessFailedError("Maven (mvn) is missing: ./deploy/setup says how to install it")
    options = f"{os.environ.get('MAVEN_OPTS', '')} -XX:TieredStopAtLevel=1 -XX:-UsePerfData"
    java_home = str(find_java().parents[1])
    guard.run(
        [
            maven,
            "-q",
            "-B",
            "-f",
            POM,
            "dependency:copy-dependencies",
            f"-DoutputDirectory={output}",
        ],
        log=guard.folder / "maven.log",
        env={"JAVA_HOME": java_home, **os.environ, "MAVEN_OPTS": options.strip()},
    )
