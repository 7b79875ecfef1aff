"""Who finds planted bad instruction pairs?

`python -m benchmarks.planted_quality [--quick] [--less N [--layers L]] [--only-less] [--judge [--chat]]`

Pairs of dolly_hhrlhf and gpteacher_roleplay, of which 30 % are corrupted: a third of these by the answer of another pair, a
third by cutting the answer off within its first third, a third by random letters in the place of a fifth of its own. For each
selector, or signal in the order that would choose by it: the AUC, which is the probability that a sound pair comes before
a corrupted one (0.5: chance; below: the corrupted are preferred), by kind of corruption and over all. Selectors towards a target
are aimed at other sound pairs; a rank stands for a score where a method has an order alone. LESS takes two gradients an
example: it is asked about `--less` of the pairs (none by default), with its seconds for each, with adapters in the last
`--layers` of the model (all by default). The corrupted pairs are few: a standard error is some 0.08 by kind and 0.05 over
all, as the seeds of random_k show. Models: SmolLM2-135M, static vectors. `--judge` asks SmolLM2, which is no judge, for the marks of
`judge` and of `deita`, with `--chat` in its chat template. No reward model, no UniEval and no scorer of DEITA is here: put theirs in its place. The last line is the best AUC over all, divided by
chance.
"""

from __future__ import annotations

import random
import string
import time
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
from curate.select.deita import Deita
from curate.select.diverse import Dpp, FacilityLocation, KCenter
from curate.select.dsir import Dsir
from curate.select.got_d import GotD
from curate.select.ifd import Ifd
from curate.select.instruct_mining import InstructMining
from curate.select.judge import Judge
from curate.select.knn_target import KnnTarget
from curate.select.less import Less
from curate.select.look import Look
from curate.select.pool import scored
from curate.select.selector import Selector
from curate.select.semdedup import D4
from curate.select.vectors import static_vectors

SETS = ("dolly_hhrlhf_a", "gpteacher_roleplay")
KINDS = ("shuffled", "cut", "noise")
# What scorers as DEITA's are asked.
COMPLEXITY = "Rate how hard this instruction is, from 1 (trivial) to 6 (very hard).\n\nInstruction:\n{question}\n\nRating (1 to 6): "
QUALITY = (
    "Rate how well the answer serves the instruction, from 1 (not at all) to 6 (perfectly).\n\nInstruction:\n{question}\n\n"
    "Answer:\n{answer}\n\nRating (1 to 6): "
)
SHARE = 0.3
# Longer pairs are left out: the model reads all of the others in its window.
MOST_BYTES = 800
Values = npt.NDArray[np.float64]


def sound_pairs(count: int, skip: int = 0) -> list[tuple[str, str]]:
    """Equal parts of both sets, by the order of a hash of their ids, behind the first `skip`."""
    found = []
    for name in SETS:
        rows = duckdb.execute(
            "SELECT instruction || CASE WHEN trim(input) = '' THEN '' ELSE chr(10) || chr(10) || input END, output "
            "FROM read_json(?, format='newline_delimited') WHERE strlen(instruction) + strlen(input) + strlen(output) "
            "<= ? AND length(output) >= 60 AND trim(instruction) <> '' ORDER BY md5(id) LIMIT ? OFFSET ?",
            [str(shared_file(f"instructions/{name}.jsonl.gz")), MOST_BYTES, count // len(SETS), skip // len(SETS)],
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


def talk(pair: tuple[str, str]) -> list[Message]:
    """A pair as a conversation."""
    return [Message("user", pair[0]), Message("assistant", pair[1])]


def documents(pairs: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    """Pairs as rows of a batch of documents."""
    return [
        {"row": i, "id": str(i), "text": render(talk(pair)), "messages": [turn._asdict() for turn in talk(pair)]}
        for i, pair in enumerate(pairs)
    ]


def aimed(texts: pa.Array, target: Sequence[tuple[str, str]]) -> dict[str, Values]:
    """Scores of the selectors towards a target, and ranks of those for variety, the first the greatest."""
    wanted = pa.array([render(talk(pair)) for pair in target])
    vectors = static_vectors(texts, 512)
    points = static_vectors(wanted, 512)
    selectors: dict[str, Selector] = {
        "got_d, towards sound pairs": GotD().aimed_at_points(points),
        "knn_target, towards sound pairs": KnnTarget().aimed_at_points(points),
        "dsir, towards sound pairs, top k": Dsir(how="top_k", min_tokens=0, smoothing=1).aimed_at(wanted),
        "k_center, order": KCenter(picks=len(texts)),
        "facility_location, order": FacilityLocation(picks=len(texts)),
        "dpp, order": Dpp(picks=len(texts)),
        "d4, order": D4(),
        "look, does it look like its set": Look(label="x.set"),
    }
    # half of the pairs are of either set
    signals = {"embed.vector": vectors, "x.set": (np.arange(len(texts)) >= len(texts) // 2).astype(np.float64)}
    found = {}
    for name, selector in selectors.items():
        made = scored(selector, texts, signals)
        last = len(texts) + 1
        column = -made["rank"].fill_null(last).to_numpy() if "order" in name else made["score"].to_numpy()
        found[name] = np.nan_to_num(np.asarray(column, np.float64), nan=-np.inf)
    return found


def influence(
    pairs: Sequence[tuple[str, str]], target: Sequence[tuple[str, str]], count: int, layers: int | None
) -> Values:
    """(n,) scores of LESS for the first `count` pairs, NaN for the others; prints how long a pair takes."""
    rows = documents(pairs[:count])
    task = [[turn._asdict() for turn in talk(pair)] for pair in target]
    settings = {"epochs": 2, "warm_up": 0.25, "batch": 8, "rate": 1e-4, "window": 384, "device": "cpu"}
    less = Less.model_validate({**settings, "last_layers": layers}).aimed_at([task])
    start = time.process_time()
    texts, messages = pa.array([row["text"] for row in rows]), pa.array([row["messages"] for row in rows], MESSAGES)
    scores = scored(less, texts, messages=messages)["score"].to_numpy()
    seconds = time.process_time() - start
    print(
        f"less: {len(rows)} pairs, {len(target)} of a target, 2 epochs: {seconds:.0f} s, {seconds / len(rows):.2f} s a pair"
    )
    return np.concatenate([scores, np.full(len(pairs) - len(rows), np.nan)])


def orders(pairs: Sequence[tuple[str, str]]) -> dict[str, Values]:
    """Selector or signal -> (n,) scores, the greater, the sooner chosen."""
    rows = documents(pairs)
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


def marks(pairs: Sequence[tuple[str, str]], chat: bool) -> dict[str, Values]:
    """Marks of SmolLM2, as of a judge, and what `deita` makes of them; `chat`: asked in its chat template."""
    batch = document_batch(documents(pairs))
    asked: dict[str, dict[str, Any]] = {
        "judge, AlpaGasus' question": {},
        "deita's complexity": {"prompt": COMPLEXITY, "scale": (1, 6)},
        "deita's quality": {"prompt": QUALITY, "scale": (1, 6)},
    }
    found = {
        name: np.asarray(Judge(model="smollm2", chat=chat, **more).process(batch)["judge"].field("score"), np.float64)
        for name, more in asked.items()
    }
    given = {"embed.vector": static_vectors(batch["text"], 512), "x.complexity": found["deita's complexity"]}
    chosen = Deita(complexity="x.complexity", quality="x.quality")
    made = scored(chosen, batch["text"], {**given, "x.quality": found["deita's quality"]})
    last = len(pairs) + 1
    return {
        **found,
        "deita, complexity x quality": made["score"].to_numpy(),
        "deita, order, none alike": -made["rank"].fill_null(last).to_numpy().astype(np.float64),
    }


def auc(scores: Values, sound: npt.NDArray[np.bool_], among: npt.NDArray[np.bool_]) -> float:
    """The probability that a sound pair has the greater score, ties by half, `among` some of them."""
    mine, others = scores[sound & among][:, None], scores[~sound & among][None]
    return float(((mine > others) + 0.5 * (mine == others)).mean())


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    options = parser(__doc__)
    options.add_argument("--less", type=int, default=0, metavar="N", help="also LESS, on the first N pairs")
    options.add_argument("--layers", type=int, metavar="L", help="adapters of LESS in the last L layers alone")
    options.add_argument("--only-less", action="store_true", help="nothing but LESS")
    options.add_argument("--judge", action="store_true", help="marks of SmolLM2 for judge and deita, and nothing else")
    options.add_argument("--chat", action="store_true", help="with --judge: ask in the chat template of SmolLM2")
    chosen = options.parse_args(arguments)
    pin_to_one_core()
    count = 40 if chosen.quick else 160
    pairs, kinds = corrupted(sound_pairs(count), 1)
    target = sound_pairs(80, skip=count)
    print(f"{len(pairs)} pairs, {(kinds != '').sum()} corrupted; {len(target)} others as target")
    found: dict[str, Values] = {}
    if chosen.judge:
        start = time.process_time()
        found = marks(pairs, chosen.chat)
        print(f"three marks a pair: {(time.process_time() - start) / len(pairs):.2f} s a pair")
    elif not chosen.only_less:
        found = orders(pairs) | aimed(pa.array([row["text"] for row in documents(pairs)]), target)
    if chosen.less:
        order = np.random.default_rng(1).permutation(len(pairs))
        pairs, kinds = [pairs[i] for i in order], kinds[order]
        found = {name: scores[order] for name, scores in found.items()}
        found[f"less, {chosen.less} pairs, towards sound ones"] = influence(pairs, target, chosen.less, chosen.layers)
    print(f"{'order':42}" + "".join(f"{kind:>10}" for kind in (*KINDS, "all")))
    totals = {}
    for name, scores in found.items():
        asked = ~np.isnan(scores)
        row = [auc(scores, kinds == "", asked & ((kinds == "") | (kinds == kind))) for kind in KINDS]
        totals[name] = auc(scores, kinds == "", asked)
        print(f"{name:42}" + "".join(f"{value:10.2f}" for value in (*row, totals[name])))
    print(f"ratio: {max(totals.values()) / 0.5:.2f}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
