"""A pool of spawned processes on this machine. A worker that dies is replaced; its task is reported, the others go on."""

from __future__ import annotations

import ctypes
import multiprocessing
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from curate import watch
from curate.executors.executor import WorkerDied
from curate.startup import arrow_without_pandas

_PR_SET_PDEATHSIG = 1


def _work(pipe: Connection, slot: str) -> None:
    """The life of a worker: take a function and a task, answer with the result or the exception."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        # no orphan goes on working for a parent that was killed
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    watch.attach(Path(slot))
    arrow_without_pandas()
    while True:
        try:
            function, task = pipe.recv()
        except EOFError:
            return
        try:
            answer = function(task)
        except Exception as error:
            answer = _sendable(error)
        finally:
            watch.clear()
        try:
            pipe.send(answer)
        except BrokenPipeError:
            return


def _sendable(error: Exception) -> Exception:
    import pickle
    import traceback

    error.add_note("".join(traceback.format_exception(error)))
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}\n{error.__notes__[-1]}")
    return error


class _Worker:
    """One process, its pipe, and the slot in which it notes the row it is at."""

    def __init__(self, slot: Path) -> None:
        context = multiprocessing.get_context("spawn")
        self.slot = slot
        self.pipe, child = context.Pipe()
        self.process = context.Process(target=_work, args=(child, str(slot)), daemon=True)
        self.process.start()
        child.close()
        self.task: int | None = None

    def died(self) -> WorkerDied:
        self.process.join()
        code = self.process.exitcode or 0
        why = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return WorkerDied(why, watch.read(self.slot))

    def stop(self) -> None:
        self.process.kill()
        self.process.join()
        self.pipe.close()


class LocalExecutor:
    """`workers` processes, started when there is work and kept until `close`."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._folder = tempfile.TemporaryDirectory(prefix="curate-")
        self._pool: list[_Worker] = []
        self._started = 0

    def __enter__(self) -> LocalExecutor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop all workers at once: what they had not committed is lost, nothing else."""
        for worker in self._pool:
            worker.stop()
        self._pool.clear()
        self._folder.cleanup()

    def map(self, function: Callable[[Any], Any], tasks: Sequence[Any]) -> Iterator[tuple[int, Any]]:
        """See Executor.map. Tasks are handed out in order, one a worker at a time."""
        waiting = iter(enumerate(tasks))
        idle = list(self._pool)
        busy: dict[Any, _Worker] = {}
        while True:
            while len(busy) < self.workers and (next_task := next(waiting, None)):
                worker = idle.pop() if idle else self._start()
                worker.task = next_task[0]
                with suppress(BrokenPipeError):  # it died idle: found out below
                    worker.pipe.send((function, next_task[1]))
                busy[worker.pipe] = worker
            if not busy:
                return
            for pipe in wait(list(busy)):
                worker = busy.pop(pipe)
                index = worker.task
                assert index is not None
                try:
                    answer = worker.pipe.recv()
                    idle.append(worker)
                except (EOFError, ConnectionResetError):
                    answer = worker.died()
                    self._pool.remove(worker)
                    worker.pipe.close()
                yield index, answer

    def _start(self) -> _Worker:
        self._started += 1
        worker = _Worker(Path(self._folder.name, f"slot-{self._started}"))
        self._pool.append(worker)
        return worker
