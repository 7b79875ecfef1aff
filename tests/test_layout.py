"""The shape of the repository: links, no shadowed standard library, imports that point down."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("select", "train")
# who may import whom: each room and file sees itself and what stands right of it
ALLOWED = {
    "kernels": {"text"},
    "extraction": {"kernels", "text"},
    "startup": set(),
    "text": set(),
    "errors": set(),
    "urls": {"text", "kernels"},
    "sentences": set(),
    "classifiers": {
        "classifiers",
        "steps",
        "dedup",
        "config",
        "corpus",
        "inputs",
        "readers",
        "errors",
        "files",
        "sentences",
        "text",
        "kernels",
    },
    "contamination": {"contamination", "corpus", "settings", "readers", "errors", "files", "text", "kernels"},
    "skill_sets": {"skill_sets", "errors", "files"},
    "conversation": set(),
    "documents": {"conversation"},
    "ngrams": {"ngrams", "errors", "text", "kernels"},
    "steps": {"steps", "settings", "readers", "documents", "errors", "text", "kernels", "watch", "dedup", "urls"}
    | {"classifiers", "files", "sentences", "ngrams", "contamination", "extraction"},
    "dedup": {"dedup", "readers", "steps", "settings", "documents", "errors", "text", "kernels", "urls", "files"},
    "readers": {"readers", "conversation", "documents", "errors", "text"},
    "executors": {"executors", "watch", "errors", "startup"},
    "writers": {"writers", "work", "store", "plan", "files", "documents"},
}


@pytest.mark.parametrize("room", ROOMS)
def test_rooms_are_links_to_the_top_level(room: str) -> None:
    link = ROOT / "curate" / room
    assert link.is_symlink(), f"curate/{room} must be a link: clone with core.symlinks=true"
    assert link.resolve() == ROOT / room and link.is_dir()
    assert not (ROOT / room / "__init__.py").exists(), f"{room}/__init__.py would shadow a module"


def test_the_standard_library_is_not_shadowed() -> None:
    code = "import select, subprocess; print(hasattr(select, 'select')); subprocess.run(['true'], capture_output=True)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


def _imports(path: Path) -> set[str]:
    """The rooms and files of `curate` that a module imports, anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        found |= {name.split(".")[1] for name in names if name.startswith("curate.")}
    return found


def test_imports_point_down() -> None:
    wrong = []
    for path in (ROOT / "curate").rglob("*.py"):
        room = path.relative_to(ROOT / "curate").parts[0].removesuffix(".py")
        inside = _imports(path)
        if room in ALLOWED and inside - ALLOWED[room] - {room}:
            wrong.append(f"{path.relative_to(ROOT)} imports {sorted(inside - ALLOWED[room] - {room})}")
        if room not in ("cli", "__main__") and "cli" in inside:
            wrong.append(f"{path.relative_to(ROOT)} imports the command line")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("heavy", ["numba", "torch", "polars", "duckdb", "pyarrow", "fasttext", "resiliparse"])
def test_help_imports_nothing_heavy(heavy: str) -> None:
    code = f"import sys, curate.cli; print('{heavy}' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


def test_checking_a_pipeline_imports_neither_numba_nor_torch(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "x"}\n')
    steps = "[normalize, language, repetition, quality, lines, exact_dedup, minhash]"
    (tmp_path / "p.yaml").write_text(
        f"name: p\ninputs: [{{name: a, path: a.jsonl}}]\nsteps: {steps}\noutput: {{path: out}}\n"
    )
    code = (
        "import sys; from curate.checks import check; from curate.config import load; "
        f"check(load({str(tmp_path / 'p.yaml')!r})); print([m for m in ('numba', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr
