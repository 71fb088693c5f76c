"""A real single-node Apache Kafka in a temporary folder, on free ports of 127.0.0.1."""

import os
import signal
import socket
import struct
import subprocess
from pathlib import Path

from deploy.local.jars import fetch_jars
from deploy.local.java import find_java
from deploy.local.process import Guard, free_port, wait_until

# One node that is broker and controller. The short times are for tests that kill and restart it:
# a broker is let in again once its last registration has timed out.
PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:{controller_port}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
log.cleaner.dedupe.buffer.size=16777216
log.retention.hours=168
num.io.threads=4
num.network.threads=2
offsets.topic.num.partitions=8
offsets.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=8
transaction.state.log.replication.factor=1
"""

CLUSTER_ID = "d2FpdGxpbmUtbG9jYWwtMQ"
"""Sixteen bytes in base64, as Kafka wants it."""

COMPILE_ONCE = "-XX:TieredStopAtLevel=1"
START_SECONDS = 60.0
STOP_SECONDS = 20.0


class LocalBroker:
    """One broker, its data and its process; it can be stopped, killed, frozen and started again.

    A short-lived one starts a second sooner and is slower under load: Java compiles only once.
    """

    def __init__(self, guard: Guard, name: str = "kafka", *, short_lived: bool = False) -> None:
        self._guard = guard
        self._options = ["-Xms128m", "-Xmx512m", *([COMPILE_ONCE] if short_lived else [])]
        self._folder = guard.folder / name
        self._log = self._folder / "kafka.log"
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap_servers(self) -> str:
        """The address for clients; it stays the same over restarts."""
        return f"127.0.0.1:{self._port}"

    @property
    def pid(self) -> int:
        """The broker's process, while it runs."""
        return self._running().pid

    def start(self) -> None:
        """Start the broker, on the data it had if it ran before; returns when it answers.

        Raises:
            ProcessFailedError: when it does not; the message has the end of its log.
        """
        assert self._process is None, "the broker runs already"
        jars = fetch_jars(self._guard)
        if not self._folder.is_dir():
            self._format(jars)
        self._process = self._guard.spawn(
            [*self._java(jars), *self._options, "kafka.Kafka", self._properties],
            log=self._log,
        )
        wait_until(self._answers, self._process, self._log, START_SECONDS)

    def stop(self) -> None:
        """End the broker as an operator would."""
        process = self._running()
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
        self._ended()

    def kill(self) -> None:
        """End the broker as a crash of its machine would; `start` brings it back on its data."""
        self._running().kill()
        self._ended()

    def freeze(self) -> None:
        """Let the broker keep its connections and answer nothing from now on."""
        broker = self._running()
        broker.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, broker.pid, os.WSTOPPED)

    def thaw(self) -> None:
        """Let a frozen broker go on."""
        self._running().send_signal(signal.SIGCONT)

    @property
    def _properties(self) -> Path:
        return self._folder / "server.properties"

    def _java(self, jars: Path) -> list[str | Path]:
        """Build the start of the command, such that Java leaves no file outside the folder."""
        return [
            find_java(),
            "-XX:+UseSerialGC",
            "-XX:-UsePerfData",
            f"-XX:ErrorFile={self._folder}/java-crash.log",
            f"-Djava.io.tmpdir={self._folder}",
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
            "-cp",
            f"{jars}/*",
        ]

    def _format(self, jars: Path) -> None:
        self._folder.mkdir(mode=0o700)
        self._properties.write_text(
            PROPERTIES.format(
                port=self._port, controller_port=free_port(), data=self._folder / "data"
            )
        )
        storage = ["kafka.tools.StorageTool", "format", "--standalone", "--cluster-id", CLUSTER_ID]
        self._guard.run(
            [*self._java(jars), COMPILE_ONCE, *storage, "-c", self._properties],
            log=self._log,
        )

    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "the broker does not run"
        return self._process

    def _ended(self) -> None:
        process = self._running()
        process.wait()
        self._guard.forget(process)
        self._process = None

    def _answers(self) -> bool:
        return count_brokers(self._port) > 0


def count_brokers(port: int) -> int:
    """Ask a port for the cluster's metadata; answer how many brokers take requests, 0 for silence.

    The port opens before the broker is let into the cluster; only then does metadata list it.
    """
    # Metadata, version 1: api key 3, correlation 1, no client id, no topics.
    request = struct.pack(">hhihi", 3, 1, 1, -1, 0)
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            # size, correlation, number of brokers
            answer = connection.recv(12, socket.MSG_WAITALL)
    except OSError:
        return 0
    return struct.unpack(">iii", answer)[2] if len(answer) == 12 else 0
