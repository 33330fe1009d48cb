"""Two hosts on this machine, joined by a cable, and a Ray cluster on them.

A host has a network, processes, a name, a home, /tmp/ray and /dev/shm of its own. What it shares
with the other is what both could have installed: Python and the libraries, without longplay. It is
the set of namespaces of one `cat`, which ends when its input does: so nothing of a host outlives
the test, however that ends. Killing it is pulling the plug: the kernel ends every process of the
host at once. No name is taken on the machine itself: many such clusters run beside each other.
"""

import json
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import time
import venv
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LAUNCHER = ROOT / "docs" / "cluster.yaml"
SPACES = ("--net", "--mount", "--uts", "--ipc", "--pid")
PATIENCE = 180.0  # for Ray to start on a host [s]
HOME = "/tmp/ray/home"  # of each host its own, as all of /tmp/ray
FURNISH = f"""
hostname "$1"
ip link set lo up
ip link add lan type bridge  # keeps the address when the cable goes with the other host
ip link set eth0 up master lan
ip addr add "$2/24" dev lan
ip link set lan up
mount -t tmpfs -o size=1g tmpfs /dev/shm
mkdir -p /tmp/ray
mount -t tmpfs -o size=2g tmpfs /tmp/ray
mkdir -m 700 {HOME} {HOME}/.ray
"""


class Host:
    """A host of its own, as long as its first process lives."""

    def __init__(self, name: str, address: str, environment: dict[str, str]) -> None:
        self.name, self.address, self.environment = name, address, environment
        command = ["unshare", *SPACES, "--fork", "--kill-child", "--mount-proc", "cat"]
        self._keeper = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._keeper.stdin and self._keeper.stdout
        self._keeper.stdin.write(b"there\n")
        self._keeper.stdin.flush()
        assert self._keeper.stdout.readline() == b"there\n", f"no namespaces for {name}"
        self._processes: list[subprocess.Popen[bytes]] = []
        keeper = self._keeper.pid
        self.first = int(Path(f"/proc/{keeper}/task/{keeper}/children").read_text())

    def join(self, other: "Host") -> None:
        """Lay a cable to another host, and furnish both."""
        cable = f"ip link add eth0 type veth peer name eth0 netns {other.first}"
        enter = ["nsenter", f"--target={self.first}", "--net"]
        subprocess.run([*enter, *cable.split()], check=True)
        for host in (self, other):
            host.run("sh", "-ec", FURNISH, "sh", host.name, host.address)

    def run(self, *command: str, timeout: float = 60.0, words: str | None = None) -> str:
        """What a command on this host says, given some words; an error if it fails."""
        done = subprocess.run(
            ["nsenter", f"--target={self.first}", *SPACES, *command],
            env=self.environment,
            input=words or "",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
        )
        assert done.returncode == 0, f"{self.name}: {' '.join(command)}\n{done.stdout}"
        return done.stdout

    def start(self, log: Path, *command: str) -> "subprocess.Popen[bytes]":
        """A command on this host that goes on beside the test."""
        with log.open("wb") as out:
            process = subprocess.Popen(
                ["nsenter", f"--target={self.first}", *SPACES, *command],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        self._processes.append(process)
        return process

    def unplug(self) -> None:
        """End every process of this host at once, and its network with them."""
        self._keeper.kill()
        self._keeper.communicate()
        for process in self._processes:
            process.wait(20)


class Cluster:
    """Ray on two hosts, one processor each, the second joined to the first with its token."""

    def __init__(self, head: Host, worker: Host, wheel: Path, logs: Path) -> None:
        self.head, self.worker, self.wheel, self.logs = head, worker, wheel, logs
        token = head.run("ray", "get-auth-token", "--generate").splitlines()[-1]
        worker.run("sh", "-c", f"umask 077; cat > {HOME}/.ray/auth_token", words=token)
        for host, role in ((head, "head"), (worker, "worker")):
            self._start(host, role)

    def _start(self, host: Host, role: str) -> None:
        """Start Ray as docs/cluster.yaml does, but for what belongs to machines in earnest."""
        command = started_by(LAUNCHER, role).replace("$RAY_HEAD_IP", self.head.address)
        words = [word for word in shlex.split(command) if "autoscaling-config" not in word]
        own = ("--num-cpus=1", "--object-store-memory=200000000", "--block")
        log = self.logs / f"{host.name}.log"
        process = host.start(log, *words, f"--node-ip-address={host.address}", *own)
        until(lambda: "Ray runtime started" in log.read_text(), log, process, PATIENCE)

    def submit(
        self, *command: str, env: dict[str, str] | None = None
    ) -> "tuple[subprocess.Popen[bytes], Path]":
        """(process, log) of `ray job submit` on the head, with the wheel."""
        needs = json.dumps({"py_modules": [str(self.wheel)], "env_vars": env or {}})
        log = self.logs / "job.log"
        address = ("--address", "http://127.0.0.1:8265")
        submit = ("ray", "job", "submit", *address, "--runtime-env-json", needs, "--", *command)
        return self.head.start(log, *submit), log

    def outcome(self, job: "tuple[subprocess.Popen[bytes], Path]", patience: float) -> str:
        """What a job said, once it succeeded."""
        process, log = job
        assert process.wait(patience) == 0, log.read_text()
        return re.sub(r"\x1b\[[0-9;]*m", "", log.read_text())

    def until(
        self, true: Callable[[], bool], job: "tuple[subprocess.Popen[bytes], Path]", patience: float
    ) -> None:
        """Wait for something while a job runs."""
        until(true, job[1], job[0], patience)


def started_by(launcher: Path, role: str) -> str:
    """The `ray start` of a cluster's YAML, for its "head" or a "worker"."""
    import yaml

    *_, last = yaml.safe_load(launcher.read_text())[f"{role}_start_ray_commands"]
    command = str(last).rpartition("; ")[2]
    assert command.startswith("ray start ")
    return command


def until(
    true: Callable[[], bool], log: Path, process: "subprocess.Popen[bytes]", patience: float
) -> None:
    """Wait for something while a process runs."""
    end = time.monotonic() + patience
    while not true():
        assert process.poll() is None and time.monotonic() < end, log.read_text()
        time.sleep(0.2)


def lacking() -> str | None:
    """Why there can be no hosts here, if so."""
    tools = [tool for tool in ("unshare", "nsenter", "ip") if not shutil.which(tool)]
    if tools:
        return f"{' and '.join(tools)} not found: there are no network namespaces without"
    if subprocess.run(["unshare", *SPACES, "--fork", "true"], capture_output=True).returncode:
        return "network namespaces of one's own need root and a kernel that allows them"
    return None


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Of every process on the hosts: a Python that has the libraries, but no longplay."""
    if why := lacking():
        pytest.skip(why)
    pytest.importorskip("ray")
    pytest.importorskip("aiohttp", reason="ray job submit needs ray[default]")
    folder = tmp_path_factory.mktemp("node")
    venv.create(folder, symlinks=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    libraries = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (packages / "libraries.pth").write_text("\n".join(libraries))
    for name, module in (("ray", "ray.scripts.scripts"), ("pip", "pip._internal.cli.main")):
        script = folder / "bin" / name
        script.write_text(f"#!{folder}/bin/python\nfrom {module} import main\nmain()\n")
        script.chmod(0o755)
    found = subprocess.run(
        [folder / "bin" / "python", "-Ic", "import longplay.envs"], capture_output=True
    )
    assert found.returncode, "longplay is installed on the nodes: the wheel would prove nothing"
    return {
        "PATH": f"{folder / 'bin'}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": HOME,
        "TMPDIR": HOME,
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "PIP_NO_DEPS": "1",  # Ray installs a wheel with pip --target, which would fetch all anew
        "XDG_CACHE_HOME": str(folder / "cache"),  # compiled code
        "RAY_AUTH_MODE": "token",
        "RAY_USAGE_STATS_ENABLED": "0",
    }


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """longplay as it is now, built in a copy of the tree."""
    folder = tmp_path_factory.mktemp("dist")
    skip = shutil.ignore_patterns(".git", ".venv*", ".*_cache", "__pycache__", "build", "runs")
    shutil.copytree(ROOT, folder / "tree", symlinks=True, ignore=skip)
    program = f"from setuptools import build_meta; build_meta.build_wheel({str(folder)!r})"
    subprocess.run(
        [sys.executable, "-c", program], cwd=folder / "tree", check=True, capture_output=True
    )
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture
def cluster(environment: dict[str, str], wheel: Path, tmp_path: Path) -> Iterator[Cluster]:
    """Two hosts with Ray, ended with the test."""
    head = Host("longplay-1", "10.77.0.1", environment)
    try:
        worker = Host("longplay-2", "10.77.0.2", environment)
    except BaseException:
        head.unplug()
        raise
    try:
        head.join(worker)
        yield Cluster(head, worker, wheel, tmp_path)
    finally:
        for host in (head, worker):
            host.unplug()
