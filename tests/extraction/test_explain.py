"""`curate explain` shows the blocks of a page that `extract` read, kept and cut, and why."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

PARAGRAPH = "<p>Rivers run to the sea, and have done so for a very long time, as everybody knows who has seen one. " * 3
PAGE = f"<title>Rivers</title><nav>Home About</nav><div class=article>{PARAGRAPH}</div><div class=related><a href=x>More</a></div>"


def curate(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "curate", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def test_blocks_are_shown_with_their_reasons(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps({"id": "r", "page": PAGE}) + "\n")
    (tmp_path / "p.yaml").write_text(
        "name: p\ninputs: [{name: a, path: a.jsonl, html: page}]\nsteps: [extract]\noutput: {path: out}\n"
    )
    done = curate(tmp_path, "run", "p.yaml", "--workers", "1")
    assert done.returncode == 0, done.stderr
    shown = curate(tmp_path, "explain", "out", "r").stdout.splitlines()
    kept = [line for line in shown if line.startswith("  kept ") and "Rivers run" in line]
    hidden = shown.index(next(line for line in shown if "Home About" in line))
    assert len(kept) == 3 and shown[hidden].startswith("  cut ")
    assert shown[hidden + 1].strip() == "nav: navigation, footer, control or closed dialog"
    assert "div > p: " in shown[shown.index(kept[0]) + 1] and "(+" in shown[shown.index(kept[0]) + 1]
    (tmp_path / "a.jsonl").rename(tmp_path / "b.jsonl")
    assert "a.jsonl is not there to be read again" in curate(tmp_path, "explain", "out", "r").stdout
