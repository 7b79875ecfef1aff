"""Kills, stops and full disks: what was committed is reused, the end is the same to the byte."""

from __future__ import annotations

import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from corpora import curate, documents, manifest, pipeline, published_bytes, reused, run_ok, write_jsonl

STEPS = "[normalize, quality, {exact_dedup: {}}, {minhash: {}}]"
UNITS = 52
# of kills, these run in `make test`; all of them in `make faults`
SHORT, LONG = 20, 200


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files that are each one unit, and their finished run."""
    folder = tmp_path_factory.mktemp("faults")
    (folder / "in").mkdir()
    base = documents(3, 200, words=250)
    for i in range(UNITS):
        rows = [{"id": f"{i}-{row['id']}", "text": f"{row['text']} unit{i} " + f"word{i} " * (i % 7)} for row in base]
        write_jsonl(folder / "in" / f"{i:02d}.jsonl", rows)
    assert min(f.stat().st_size for f in (folder / "in").iterdir()) > 256 << 10
    start = time.monotonic()
    run_ok(pipeline(folder, STEPS), "--workers", 2, "--output", folder / "whole")
    (folder / "seconds").write_text(str(time.monotonic() - start))
    assert manifest(folder / "whole")["stages"][0]["units"] >= 50
    return folder


def _start(corpus: Path, out: Path, **options: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "curate", "run", str(corpus / "p.yaml"), "--workers", "2", "--output", str(out)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, **options)  # type: ignore[call-overload,no-any-return]


def _committed(out: Path, corpus: Path) -> int:
    """How many units of the first stage the store holds."""
    stage = manifest(corpus / "whole")["stages"][0]["fingerprint"][:20]
    return len(list((out / ".store" / stage).glob("*/all/receipt.json")))


@pytest.mark.parametrize(
    "kill", [*range(SHORT), *(pytest.param(kill, marks=pytest.mark.faults) for kill in range(SHORT, LONG))]
)
def test_kill_9_loses_no_committed_unit(corpus: Path, tmp_path: Path, kill: int) -> None:
    rng = random.Random(kill)
    run = _start(corpus, tmp_path / "out")
    time.sleep(rng.uniform(0, float((corpus / "seconds").read_text())))
    of_parent = kill % 2 == 0
    try:
        workers = [p for p in psutil.Process(run.pid).children() if "spawn_main" in " ".join(p.cmdline())]
        victim = psutil.Process(run.pid) if of_parent or not workers else rng.choice(workers)
        victim.kill()
    except psutil.NoSuchProcess:
        of_parent = True  # it had finished
    if not of_parent:
        assert run.wait(600) in (0, -signal.SIGKILL)
    run.communicate()
    survived = _committed(tmp_path / "out", corpus)
    # with two workers again, or with one
    result = run_ok(corpus / "p.yaml", "--workers", 2 - kill % 2, "--output", tmp_path / "out")
    assert published_bytes(tmp_path / "out") == published_bytes(corpus / "whole")
    assert not list((tmp_path / "out").rglob(".*.tmp"))
    if result["fresh"]:
        assert reused(tmp_path / "out")["read+normalize+quality"] == survived
    shutil.rmtree(tmp_path / "out")


def test_a_stop_is_clean_and_the_next_run_goes_on(corpus: Path, tmp_path: Path) -> None:
    # other tests of this process may have left a helper of multiprocessing
    before = set(psutil.Process().children(recursive=True))
    run = _start(corpus, tmp_path / "out")
    while _committed(tmp_path / "out", corpus) < 5 and run.poll() is None:
        time.sleep(0.01)
    run.send_signal(signal.SIGINT)
    _, errors = run.communicate(timeout=60)
    assert run.returncode == 4 and "run the same command again" in errors and "Traceback" not in errors
    assert not set(psutil.Process().children(recursive=True)) - before
    survived = _committed(tmp_path / "out", corpus)
    again = curate("run", corpus / "p.yaml", "--workers", 2, "--output", tmp_path / "out")
    assert again.returncode == 0 and f"{survived} from the store" in again.stderr
    assert published_bytes(tmp_path / "out") == published_bytes(corpus / "whole")


def test_two_runs_of_one_output_do_not_mix(corpus: Path, tmp_path: Path) -> None:
    run = _start(corpus, tmp_path / "out")
    while _committed(tmp_path / "out", corpus) < 2 and run.poll() is None:
        time.sleep(0.01)
    second = curate("run", corpus / "p.yaml", "--output", tmp_path / "out")
    assert second.returncode == 5 and "another run is at work here" in second.stderr
    assert run.wait(600) == 0
    run.communicate()


def _small_files() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))


def test_a_full_disk_ends_the_run_with_words_and_the_next_goes_on(corpus: Path, tmp_path: Path) -> None:
    run = _start(corpus, tmp_path / "out", preexec_fn=_small_files)
    _, errors = run.communicate(timeout=600)
    assert run.returncode == 5 and "Traceback" not in errors, errors
    assert "File too large" in errors and "what was committed is kept" in errors
    run_ok(corpus / "p.yaml", "--workers", 2, "--output", tmp_path / "out")
    assert published_bytes(tmp_path / "out") == published_bytes(corpus / "whole")


def test_a_disk_without_space_ends_the_run_with_words(corpus: Path, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(small)], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting a small file system is not allowed here")
    try:
        done = curate("run", corpus / "p.yaml", "--output", small / "out")
        assert done.returncode == 5 and "No space left" in done.stderr and "Traceback" not in done.stderr
        assert not (small / "out" / "manifest.json").exists()
    finally:
        subprocess.run(["umount", str(small)], check=True)
