"""What a run tells while it works: a live table on a terminal, plain lines elsewhere, JSON lines for machines."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any, TextIO


class Progress:
    """Plain lines, one a phase and one each few seconds in between."""

    every = 5.0

    def __init__(self, out: TextIO | None = None) -> None:
        self.out = out or sys.stderr
        self._begin("", 0, 0)

    def _begin(self, name: str, units: int, reused: int) -> None:
        self.name, self.units, self.reused, self.done = name, units, reused, 0
        self.documents = self.bytes = 0
        self.dropped: Counter[str] = Counter()
        self.started = self.told = time.monotonic()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to put back."""

    def note(self, text: str) -> None:
        """One line for people."""
        print(text, file=self.out, flush=True)

    def phase(self, name: str, units: int, reused: int) -> None:
        """A phase begins: of its `units`, `reused` are in the store already."""
        self._begin(name, units, reused)
        self._started()

    def unit_done(self, receipt: dict[str, Any]) -> None:
        """A worker committed one unit."""
        self.done += 1
        self.documents += receipt["rows"]
        self.bytes += receipt.get("text_bytes", 0)
        self.dropped.update(
            {name: step["dropped"] for name, step in receipt.get("steps", {}).items() if step["dropped"]}
        )
        self._advanced()

    def resolving(self, name: str) -> None:
        """A global step looks at all contributions."""

    def phase_done(self, name: str, receipts: Sequence[dict[str, Any]], reused: int, seconds: float) -> None:
        """All units of a phase are committed and judged."""
        total = Counter({key: sum(r[key] for r in receipts) for key in ("in", "kept", "dropped", "quarantined")})
        dropped: Counter[str] = Counter()
        for receipt in receipts:
            dropped.update({name: step["dropped"] for name, step in receipt["steps"].items() if step["dropped"]})
        self._ended(name, total, dropped, reused, len(receipts), seconds)

    def status(self) -> str:
        """Units, documents/s, MB/s, dropped by step, time left: one line."""
        spent = max(time.monotonic() - self.started, 1e-9)
        todo = self.units - self.reused
        left = f", {spent / self.done * (todo - self.done):.0f} s left" if 0 < self.done < todo else ""
        drops = "".join(f", {step} -{count:,}" for step, count in self.dropped.most_common(4))
        return (
            f"{self.done}/{todo} units, {self.documents:,} documents, {self.documents / spent:,.0f}/s, "
            f"{self.bytes / spent / 1e6:.1f} MB/s{drops}{left}"
        )

    def _started(self) -> None:
        if self.units > self.reused:
            from_store = f", {self.reused} from the store" if self.reused else ""
            self.note(f"{self.name}: {self.units - self.reused} units to do{from_store}")

    def _advanced(self) -> None:
        if time.monotonic() - self.told >= self.every:
            self.told = time.monotonic()
            self.note(f"  {self.status()}")

    def _ended(
        self, name: str, total: Counter[str], dropped: Counter[str], reused: int, units: int, seconds: float
    ) -> None:
        drops = "".join(f", {step} -{count:,}" for step, count in dropped.items())
        bad = f", {total['quarantined']:,} quarantined" if total["quarantined"] else ""
        again = f" ({reused} of {units} units from the store)" if reused else ""
        self.note(f"{name}: {total['in']:,} in, {total['kept']:,} kept{drops}{bad}, {seconds:.1f} s{again}")


class JsonProgress(Progress):
    """One JSON object a line on standard error."""

    def note(self, text: str) -> None:
        self._tell(event="note", text=text.strip())

    def _tell(self, **event: Any) -> None:
        print(json.dumps(event), file=self.out, flush=True)

    def _started(self) -> None:
        self._tell(event="phase", name=self.name, units=self.units, reused=self.reused)

    def _advanced(self) -> None:
        self._tell(event="progress", name=self.name, done=self.done, of=self.units - self.reused,
                   documents=self.documents, bytes=self.bytes, dropped=dict(self.dropped))  # fmt: skip

    def _ended(
        self, name: str, total: Counter[str], dropped: Counter[str], reused: int, units: int, seconds: float
    ) -> None:
        self._tell(event="phase_done", name=name, **total, dropped_by=dict(dropped), reused=reused, units=units,
                   seconds=round(seconds, 3))  # fmt: skip


class LiveProgress(Progress):
    """A bar and the status line on a terminal, by rich."""

    def __enter__(self) -> LiveProgress:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as Bars

        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[status]}"),
        )
        self._bars = Bars(*columns, console=Console(file=self.out), transient=True)
        self._bars.start()
        self._task: Any = None
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def note(self, text: str) -> None:
        self._bars.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def _started(self) -> None:
        if self.units > self.reused:
            self._task = self._bars.add_task(self.name, total=self.units, completed=self.reused, status="")

    def _advanced(self) -> None:
        self._bars.update(self._task, completed=self.reused + self.done, status=self.status())

    def resolving(self, name: str) -> None:
        self._clear()
        self._task = self._bars.add_task(name, total=None, status="comparing across all units")

    def _ended(self, *args: Any) -> None:
        self._clear()
        super()._ended(*args)

    def _clear(self) -> None:
        if self._task is not None:
            self._bars.remove_task(self._task)
            self._task = None
