"""How `--memory` is kept: workers are as many as fit, each works on batches of bounded size.

The minimum is BASE + one WORKER: this process with its libraries, and one worker with libraries, models and the largest
batch (a page of the default `max_document_bytes` with its tree).
"""

from __future__ import annotations

from curate.errors import ConfigError, Problem
from curate.settings import ExecutorSettings

BASE = 400 << 20
WORKER = 600 << 20


def workers_within(executor: ExecutorSettings) -> int:
    """How many workers the memory limit allows. Raises ConfigError if not even one."""
    if executor.memory is None:
        return executor.workers
    fits = (executor.memory - BASE) // WORKER
    if fits < 1:
        minimum = (BASE + WORKER) / 1e6
        raise ConfigError(
            [Problem("--memory", f"{executor.memory / 1e6:,.0f} MB is too little", f"the minimum is {minimum:,.0f}MB")]
        )
    return min(executor.workers, fits)
