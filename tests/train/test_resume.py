"""Real processes: killed at random steps, and resumed on 1, 2, then 1 ranks of gloo; every batch has the hash it had."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from token_sets import make_set, random_lengths

WORKER = Path(__file__).with_name("resume_worker.py")
STEPS = 24


def start(
    data: Path, out: Path, steps: int, *, rank: int = 0, world: int = 1, port: int = 0, pause: float = 0.0
) -> subprocess.Popen[bytes]:
    out.mkdir(exist_ok=True)
    environment = os.environ | {
        "RANK": str(rank), "WORLD_SIZE": str(world), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
    }  # fmt: skip
    return subprocess.Popen([sys.executable, str(WORKER), str(data), str(out), str(steps), str(pause)], env=environment)


def hashes(out: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted(out.glob("step-*.json"))}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    lengths = {"a": random_lengths(5, 60, mean=80), "b": random_lengths(6, 200, mean=30)}
    return make_set(tmp_path_factory.mktemp("tokens") / "set", lengths).folder


@pytest.fixture(scope="module")
def whole(data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The hashes of a run that nothing interrupted."""
    out = tmp_path_factory.mktemp("whole")
    assert start(data, out, STEPS).wait() == 0
    found = hashes(out)
    assert len(found) == STEPS and len(set(found.values())) == STEPS
    return found


def test_kills_at_random_steps_change_no_batch(data: Path, whole: dict[str, str], tmp_path: Path) -> None:
    rng = random.Random(3)
    for _ in range(3):
        process = start(data, tmp_path, STEPS, pause=0.01)
        target = len(hashes(tmp_path)) + rng.randint(1, 7)
        while process.poll() is None and len(hashes(tmp_path)) < target:
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert 0 < len(hashes(tmp_path)) < STEPS
    assert start(data, tmp_path, STEPS).wait() == 0
    assert hashes(tmp_path) == whole


def test_one_then_two_then_one_rank(data: Path, whole: dict[str, str], tmp_path: Path) -> None:
    pytest.importorskip("torch")
    for steps, world in ((7, 1), (16, 2), (STEPS, 1)):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        ranks = [start(data, tmp_path, steps, rank=rank, world=world, port=port) for rank in range(world)]
        assert [process.wait(timeout=120) for process in ranks] == [0] * world
        assert len(hashes(tmp_path)) == steps
    assert hashes(tmp_path) == whole


MEASURE = """
import sys
from pathlib import Path
from curate.train.loader import Loader
from curate.train.plan import PlanSettings
from curate.train.token_set import TokenSet

def anonymous():
    return int(Path("/proc/self/status").read_text().split("RssAnon:")[1].split()[0])

def read(folder):
    loader = Loader([TokenSet.open(folder)], PlanSettings(context=256, rows=64), threads=0)
    for _ in range(120):
        next(loader)

read(sys.argv[1])
before = anonymous()
read(sys.argv[2])
print(anonymous() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_does_not_grow_with_the_corpus(tmp_path: Path) -> None:
    """Sixteen times the documents, as many batches: what the process holds beside mapped files stays (in kB)."""
    small = make_set(tmp_path / "small", {"a": [400] * 2500}, files=1)
    large = make_set(tmp_path / "large", {"a": [400] * 40000}, files=1)
    command = [sys.executable, "-c", MEASURE, str(small.folder), str(large.folder)]
    grown = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert grown < 2000 < 40000 * 400 * 2 / 1024
