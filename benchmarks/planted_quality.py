"""Who finds planted bad instruction pairs? `python -m benchmarks.planted_quality [--quick]`

Pairs of dolly_hhrlhf and gpteacher_roleplay, of which 30 % are corrupted: a third of these by the answer of another pair, a
third by cutting the answer off within its first third, a third by random letters in the place of a fifth of its own. For each
selector, or signal in the order that would choose by it: the AUC, which is the probability that a sound pair comes before
a corrupted one (0.5: chance; below: the corrupted are preferred), by kind of corruption and over all. The corrupted pairs
are few: a standard error is some 0.08 by kind and 0.05 over all, as the seeds of random_k show. Models: SmolLM2-135M,
static vectors. The last line is the best AUC over all, divided by chance.
"""

from __future__ import annotations

import random
import string
from collections.abc import Sequence
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from benchmarks.common import parser, pin_to_one_core, shared_file
from curate.conversation import MESSAGES, Message, render
from curate.documents import document_batch
from curate.select.by_signal import LongestK, RandomK
from curate.select.ifd import Ifd
from curate.select.instruct_mining import InstructMining
from curate.select.pool import scored
from curate.select.vectors import static_vectors

SETS = ("dolly_hhrlhf_a", "gpteacher_roleplay")
KINDS = ("shuffled", "cut", "noise")
SHARE = 0.3
# Longer pairs are left out: the model reads all of the others in its window.
MOST_BYTES = 800
Values = npt.NDArray[np.float64]


def sound_pairs(count: int) -> list[tuple[str, str]]:
    """Equal parts of both sets, by the order of a hash of their ids."""
    found = []
    for name in SETS:
        rows = duckdb.execute(
            "SELECT instruction || CASE WHEN trim(input) = '' THEN '' ELSE chr(10) || chr(10) || input END, output "
            "FROM read_json(?, format='newline_delimited') WHERE strlen(instruction) + strlen(input) + strlen(output) "
            "<= ? AND length(output) >= 60 AND trim(instruction) <> '' ORDER BY md5(id) LIMIT ?",
            [str(shared_file(f"instructions/{name}.jsonl.gz")), MOST_BYTES, count // len(SETS)],
        )
        found += rows.fetchall()
    return found


def corrupted(pairs: Sequence[tuple[str, str]], seed: int) -> tuple[list[tuple[str, str]], npt.NDArray[Any]]:
    """The pairs, some of them corrupted, and what was done to each: a kind, or nothing."""
    rng = random.Random(seed)
    made, kinds = list(pairs), np.array([""] * len(pairs), object)
    each = int(len(pairs) * SHARE / len(KINDS))
    chosen = rng.sample(range(len(pairs)), each * len(KINDS))
    for number, kind in enumerate(KINDS):
        own = chosen[number * each : (number + 1) * each]
        for place, other in zip(own, own[1:] + own[:1], strict=True):
            asked, answer = pairs[place]
            kinds[place] = kind
            made[place] = (asked, pairs[other][1] if kind == "shuffled" else _spoiled(answer, kind, rng))
    return made, kinds


def _spoiled(answer: str, kind: str, rng: random.Random) -> str:
    if kind == "cut":
        return answer[: int(len(answer) * rng.uniform(0.1, 0.33))].strip() or answer[:5]
    return "".join(rng.choice(string.ascii_letters) if c.isalpha() and rng.random() < 0.2 else c for c in answer)


def orders(pairs: Sequence[tuple[str, str]]) -> dict[str, Values]:
    """Selector or signal -> (n,) scores, the greater, the sooner chosen."""
    talks = [[Message("user", asked), Message("assistant", answer)] for asked, answer in pairs]
    rows = [
        {"row": i, "id": str(i), "text": render(t), "messages": [m._asdict() for m in t]} for i, t in enumerate(talks)
    ]
    batch = document_batch(rows)
    texts = batch["text"]
    made = Ifd().process(batch)["ifd"]
    ifd = {
        field: np.asarray(made.field(field), np.float64)
        for field in ("loss_ratio", "ppl_ratio", "loss_given", "loss_alone")
    }
    given = {"embed.vector": static_vectors(texts, 512), "ifd.loss_given": ifd["loss_given"]}
    messages = pa.array([row["messages"] for row in rows], MESSAGES)
    mined = scored(InstructMining(), texts, given, messages=messages)
    column = {name: mined[name].to_numpy() for name in ("score", "mtld", "knn", "length_out")}
    return {
        **{f"random_k, seed {seed}": scored(RandomK(seed=seed), texts)["score"].to_numpy() for seed in (1, 2, 3)},
        "longest_k": scored(LongestK(), texts)["score"].to_numpy(),
        "ifd: hardest first, above 1 last": np.where(ifd["loss_ratio"] > 1, -ifd["loss_ratio"], ifd["loss_ratio"]),
        "ifd.loss_ratio, low first": -ifd["loss_ratio"],
        "ifd.ppl_ratio, low first": -ifd["ppl_ratio"],
        "ifd.loss_given, low first": -ifd["loss_given"],
        "ifd.loss_alone, low first": -ifd["loss_alone"],
        "instruct_mining, offline": column["score"],
        "instruct_mining.mtld, high first": column["mtld"],
        "instruct_mining.knn, high first": column["knn"],
        "instruct_mining.length_out, high first": column["length_out"],
    }  # fmt: skip


def auc(scores: Values, sound: npt.NDArray[np.bool_]) -> float:
    """The probability that a sound pair has the greater score, ties by half."""
    apart = scores[sound][:, None] - scores[~sound][None]
    return float(((apart > 0) + 0.5 * (apart == 0)).mean())


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    options = parser(__doc__).parse_args(arguments)
    pin_to_one_core()
    pairs, kinds = corrupted(sound_pairs(40 if options.quick else 160), 1)
    print(f"{len(pairs)} pairs, {(kinds != '').sum()} corrupted")
    print(f"{'order':42}" + "".join(f"{kind:>10}" for kind in (*KINDS, "all")))
    totals = {}
    for name, scores in orders(pairs).items():
        found = [
            auc(scores[(kinds == "") | (kinds == kind)], kinds[(kinds == "") | (kinds == kind)] == "") for kind in KINDS
        ]
        totals[name] = auc(scores, kinds == "")
        print(f"{name:42}" + "".join(f"{value:10.2f}" for value in (*found, totals[name])))
    print(f"ratio: {max(totals.values()) / 0.5:.2f}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
