"""Kafka's jars: resolved once by Maven from deploy/kafka/pom.xml, then kept in the user's cache."""

import os
import shutil
from pathlib import Path

from deploy.local.cache import cached_folder, fill_once
from deploy.local.java import find_java
from deploy.local.process import Guard, ProcessFailedError

POM = Path(__file__).parents[1] / "kafka" / "pom.xml"


def jars_folder() -> Path:
    """Name the folder of this pom's jars; it exists only when it is whole."""
    return cached_folder("kafka", [POM])


def fetch_jars(guard: Guard) -> Path:
    """Answer the folder of the jars, having Maven fill it if it is not there."""
    return fill_once(jars_folder(), lambda unfinished: _run_maven(guard, unfinished))


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
