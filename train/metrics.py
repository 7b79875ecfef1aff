"""What a run says of itself: a line of JSON a report in metrics.jsonl, a line for people, and trackers that are asked for."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from curate.train.settings import TrainSettings
from curate.train.trackers import tracker

# Dense peak of bfloat16 in FLOP/s, by the vendors' data sheets.
PEAKS = {"H200": 989e12, "H100": 989e12, "A100": 312e12, "L40S": 362e12, "4090": 165e12}

# Seconds of a first step that is told of before the first report.
SLOW = 5


class Metrics:
    """Writes reports; only the first process makes one."""

    def __init__(self, folder: Path, settings: TrainSettings, start: int, flops_per_token: float, device: Any) -> None:
        """Reports from step `start` on are of a run that was cut off there: they are taken away."""
        self._path, self._steps = folder / "metrics.jsonl", settings.steps
        if self._path.exists():
            lines = [line for line in self._path.read_text().splitlines() if _is_before(json.loads(line), start)]
            self._path.write_text("".join(line + "\n" for line in lines))
        self._trackers = [tracker(name, settings, folder, start) for name in settings.trackers]
        self._flops = flops_per_token
        name = torch.cuda.get_device_name(device) if device.type == "cuda" else ""
        self._peak = next((peak for part, peak in PEAKS.items() if part in name), 0.0)
        self._begun, self._first = time.monotonic(), start

    def begun(self, seconds: float) -> None:
        """After the first step of a process, where the first report is far: what the run will take, as far as can be told."""
        if seconds > SLOW:
            left = _duration(seconds * (self._steps - self._first))
            print(f"the first step took {seconds:.0f} s: some {left} for {self._steps - self._first:,}", flush=True)

    def report(self, step: int, values: Mapping[str, Any], *, tokens: int, seconds: float, world: int) -> None:
        """After `step` steps: losses and the like, and the tokens of so many seconds."""
        speed = tokens / max(seconds, 1e-9)
        entry: dict[str, Any] = {"step": step, **values, "tokens_per_second": round(speed, 1)}
        if self._peak:
            entry["mfu"] = round(speed * self._flops / (self._peak * world), 4)
        self._write(entry)
        left = (time.monotonic() - self._begun) / max(1, step - self._first) * (self._steps - step)
        mfu = f"  {entry['mfu']:.0%} of peak" if self._peak else ""
        print(
            f"step {step:>{len(str(self._steps))}}/{self._steps}  loss {entry['loss']:.4f}  lr {entry['lr']:.2e}  "
            f"grad {entry['grad_norm']:.2f}  {speed:,.0f} tokens/s{mfu}  {_duration(left)} left",
            flush=True,
        )

    def evaluation(self, step: int, found: Mapping[str, Mapping[str, float]]) -> None:
        """Held-out figures, by source."""
        self._write({"step": step, "held_out": found})
        shown = [
            f"{name} {entry['loss']:.4f}"
            + (f" ({entry['bits_per_byte']:.4f} bits/byte)" if "bits_per_byte" in entry else "")
            for name, entry in found.items()
        ]
        print(f"step {step:>{len(str(self._steps))}}/{self._steps}  held out: {', '.join(shown)}", flush=True)

    def mixture(self, step: int, weights: Mapping[str, float]) -> None:
        """The weights from this step on."""
        self._write({"step": step, "weights": dict(weights)})
        shown = ", ".join(f"{name} {weight:.3f}" for name, weight in weights.items())
        print(f"step {step:>{len(str(self._steps))}}/{self._steps}  mixture: {shown}", flush=True)

    def note(self, step: int, kind: str, lines: list[str]) -> None:
        """Something out of the ordinary."""
        self._write({"step": step, "event": kind, "lines": lines})
        print("\n  ".join([f"step {step}: {kind}", *lines]), flush=True)

    def close(self) -> None:
        """Close the trackers."""
        for each in self._trackers:
            each.close()

    def _write(self, entry: Mapping[str, Any]) -> None:
        with self._path.open("a") as file:
            file.write(json.dumps(entry) + "\n")
        if numbers := _flat(entry):
            for each in self._trackers:
                each.log(numbers, entry["step"])


def _is_before(entry: Mapping[str, Any], start: int) -> bool:
    """Whether a run that goes on at step `start` will not write this entry again; weights hold from their step on."""
    step: int = entry["step"]
    return step < start or (step == start > 0 and "weights" not in entry)


def _flat(entry: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    found: dict[str, float] = {}
    for key, value in entry.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{prefix}{key}/")
        elif isinstance(value, int | float) and key != "step":
            found[prefix + key] = value
    return found


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{max(0, round(seconds))} s"
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
