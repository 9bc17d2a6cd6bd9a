"""Real servers for tests: a Docker engine and two registries, each on a socket or the loopback interface alone.

What other servers of the kit (private_sigstore.py) share with them is public here.

Everything they need lies in a folder of their own. When a block ends, however it ends, no process, mount or file of
theirs is left; where pytest itself is killed, the kernel ends them.
"""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

START_SECONDS, STOP_SECONDS = 30, 20

_IN_MEMORY = 'mount -t tmpfs -o size=6g,mode=711 engine "$0" && exec "$@"'


@dataclass(frozen=True, slots=True)
class Login:
    """A user of a registry; `line` is of an htpasswd file, with bcrypt at its lowest cost."""

    user: str = "gate"
    password: str = "opensesame"
    line: str = "gate:$2y$04$VJkQOF/EXpylKHe0TEYpi.1gFhJY2CVKRa9ckUR/DpuwzqrOnM3Dq"


@dataclass(frozen=True, slots=True)
class Keys:
    """A server's certificate and key, as PEM files."""

    certificate: Path
    key: Path


@contextmanager
def docker_engine(programs: Path) -> Iterator[str]:
    """Run dockerd from Debian's packages, unpacked at `programs`; yields its address. Takes root.

    It has no network but its own socket, changes no rules of the firewall, and knows nothing of another engine here. What
    it stores is in memory, mounted where it alone sees it: all its mounts go when it goes.
    """
    with server_folder() as folder:
        address = f"unix://{folder}/docker.sock"
        (folder / "none.json").write_text("{}")
        (folder / "state").mkdir()
        command = [
            *("unshare", "--mount", "--propagation", "private", "sh", "-c", _IN_MEMORY, f"{folder}/state"),
            *(str(_program(programs, "dockerd")), "--host", address, "--pidfile", f"{folder}/pid"),
            *("--data-root", f"{folder}/state/data", "--exec-root", f"{folder}/state/exec"),
            *("--config-file", f"{folder}/none.json", "--bridge", "none"),
            *("--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false"),
            *("--containerd-namespace", f"test-{os.getpid()}"),
            *("--containerd-plugins-namespace", f"test-plugins-{os.getpid()}"),
        ]
        environment = _environment(programs, folder)
        with _running(command, folder, environment, lambda: _answers_at(f"{folder}/docker.sock")):
            yield address


@contextmanager
def docker_registry(programs: Path, *, keys: Keys | None = None, login: Login | None = None) -> Iterator[str]:
    """Run docker-registry from Debian's package; yields `HOST:PORT`, over TLS with `keys`, and closed with `login`."""
    with server_folder() as folder:
        host = f"127.0.0.1:{free_port()}"
        lines = [
            *("version: 0.1", "log: {accesslog: {disabled: true}, level: warn}", "health: {}"),
            f"storage: {{filesystem: {{rootdirectory: {folder}/data}}, delete: {{enabled: true}}}}",
            f"http:\n  addr: {host}",
        ]
        if keys is not None:
            lines.append(f"  tls: {{certificate: {keys.certificate}, key: {keys.key}}}")
        if login is not None:
            (folder / "htpasswd").write_text(f"{login.line}\n")
            lines.append(f"auth: {{htpasswd: {{realm: tests, path: {folder}/htpasswd}}}}")
        (folder / "config.yml").write_text("\n".join(lines) + "\n")
        command = [str(_program(programs, "docker-registry")), "serve", f"{folder}/config.yml"]
        with _running(
            command, folder, _environment(programs, folder), lambda: _answers(host, keys is not None)
        ):
            yield host


@contextmanager
def referrers_registry(program: Path) -> Iterator[str]:
    """Run the registry with the referrers API (tests/tools/referrers_registry); yields `HOST:PORT`."""
    with printing_its_address(str(program)) as host:
        yield host


@contextmanager
def printing_its_address(*command: str) -> Iterator[str]:
    """Run a server of our own (tests/tools) until the block ends; yields the `HOST:PORT` that it prints."""
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()  # it ends with its input, and so with us
            process.wait(STOP_SECONDS)


@contextmanager
def server_folder() -> Iterator[Path]:
    """Make a folder with a short name, as sockets need; not pytest's, which keeps what is large for three runs."""
    folder = Path(tempfile.mkdtemp(prefix="server-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def _running(
    command: Sequence[str], folder: Path, environment: Mapping[str, str], ready: Callable[[], bool]
) -> Iterator[None]:
    """Run a server until the block ends."""
    with starting(command, folder / "log", environment, ready) as wait:
        wait()
        yield


@contextmanager
def starting(
    command: Sequence[str], log: Path, environment: Mapping[str, str], ready: Callable[[], bool]
) -> Iterator[Callable[[], None]]:
    """Start a server, in a process group of its own, and end it with the block.

    Yields what waits until it is ready, and shows the end of its log where it does not start.
    """
    tied = (
        ["setpriv", "--pdeathsig", "TERM"] if shutil.which("setpriv") else []
    )  # so it ends if pytest is killed
    with log.open("wb") as file:
        process = subprocess.Popen(
            [*tied, *command],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            env=environment,
            start_new_session=True,
        )

        def wait() -> None:
            end = time.monotonic() + START_SECONDS
            while not ready():
                if process.poll() is not None or time.monotonic() > end:
                    raise AssertionError(f"{command[0]} does not start: {log.read_text()[-3_000:]}")
                time.sleep(0.05)

        try:
            yield wait
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _program(programs: Path, name: str) -> Path:
    """Find a program of unpacked packages."""
    return next(path for where in ("usr/sbin", "usr/bin") if (path := programs / where / name).exists())


def _environment(programs: Path, folder: Path) -> dict[str, str]:
    """Let a server see its own packages, and nothing of ours: no proxies, no settings of a user."""
    libraries = [str(path) for path in (*programs.glob("usr/lib/*-linux-*"), *programs.glob("lib/*-linux-*"))]
    own = [str(programs / where) for where in ("usr/sbin", "usr/bin")]
    return {
        "PATH": ":".join([*own, "/usr/sbin", "/usr/bin", "/sbin", "/bin"]),
        "LD_LIBRARY_PATH": ":".join(libraries),
        "HOME": str(folder),
        "TMPDIR": str(folder),
    }


def _answers_at(path: str) -> bool:
    """Whether an engine answers at a socket."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(5)
        try:
            client.connect(path)
            client.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
            return b" 200 " in client.recv(100)
        except OSError:
            return False


def _answers(host: str, secure: bool) -> bool:
    """Whether a registry answers; whose certificate it has is for tests to ask."""
    name, _, port = host.partition(":")
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = (
        http.client.HTTPSConnection(name, int(port), timeout=5, context=context)
        if secure
        else http.client.HTTPConnection(name, int(port), timeout=5)
    )
    try:
        connection.request("GET", "/v2/")
        return connection.getresponse().status in (200, 401)
    except OSError:
        return False
    finally:
        connection.close()


def free_port() -> int:
    """Return a port that nobody listens at just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
