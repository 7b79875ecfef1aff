"""The table of executors: kind in a pipeline file -> class."""

from __future__ import annotations

from curate.executors.local import LocalExecutor

EXECUTORS = {"local": LocalExecutor}
