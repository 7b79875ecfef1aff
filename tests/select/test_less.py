"""LESS by known answers, by numerical derivatives, by brute force over a tiny model; a planted kind is found; bad input is told."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from corpora import WORDS

pytest.importorskip("torch")
pytest.importorskip("peft")
pytest.importorskip("threadpoolctl")

from tiny_llama import saved_llama

from curate.conversation import MESSAGES, Message, render
from curate.dedup.step import Contributions
from curate.errors import ConfigError, CurateError
from curate.select import less as less_module
from curate.select.gradients import Adapted, Example, Snapshot, adam_direction, project, unit_rows
from curate.select.less import Less
from curate.select.pool import scored
from curate.steps.causal_model import TokenWindows, load_model

PROMPT = "Q {question}\nA "


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("llama")
    saved_llama(folder)
    return folder


def talk(asked: str, answer: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": asked}, {"role": "assistant", "content": answer}]


def made(kind: str, count: int, seed: int) -> list[list[dict[str, str]]]:
    """Answers in digits, or in words."""
    rng = random.Random(seed)
    answers = {
        "digits": lambda: " ".join(str(rng.randint(100, 999)) for _ in range(8)),
        "words": lambda: " ".join(rng.choice(WORDS) for _ in range(6)),
    }
    return [talk(f"{rng.choice(WORDS)}?", answers[kind]()) for _ in range(count)]


def scores(selector: Less, talks: list[Any]) -> np.ndarray:
    texts = pa.array([render([Message(**turn) for turn in found or ()]) for found in talks])
    return scored(selector, texts, messages=pa.array(talks, MESSAGES))["score"].to_numpy()


def less(tiny: Path, **more: Any) -> Less:
    given = {"model": str(tiny), "prompt": PROMPT, "rank": 2, "batch": 4, "epochs": 2, "warm_up": 0.5, "rate": 1e-2}
    return Less(**{**given, **more})


def test_the_direction_of_adam_has_its_known_answer() -> None:
    # specs 2.2: g = [.1, -.2], m = [.05, .05], v = [.01, .04]
    moments = [np.array(values, np.float32) for values in ([0, 0], [0.05, 0.05], [0.01, 0.04])]
    direction = adam_direction(np.array([[0.1, -0.2]], np.float32), Snapshot(*moments, rate=1.0))
    assert direction[0].tolist() == pytest.approx([0.55, 0.125], abs=1e-3)
    unit = unit_rows(direction)
    assert unit[0].tolist() == pytest.approx([0.975133, 0.221621], abs=1e-5)
    assert float(unit[0] @ [1, 0]) == pytest.approx(0.975133, abs=1e-5)
    assert unit_rows(np.zeros((1, 3), np.float32)).tolist() == [[0, 0, 0]]


def test_projections_keep_products_and_are_the_same_again() -> None:
    rng = np.random.default_rng(0)
    vectors = unit_rows(rng.standard_normal((6, 9001)).astype(np.float32))
    vectors[1] = unit_rows(vectors[:1] + vectors[1:2])[0]
    # a few coordinates that outweigh all others
    vectors[4:] = unit_rows(vectors[4:] * np.where(np.arange(9001) % 1000, 1, 30).astype(np.float32))
    low = project(vectors, 2048, 5)
    assert low.shape == (6, 2048) and np.abs(low @ low.T - vectors @ vectors.T).max() < 5 / np.sqrt(2048)
    assert project(vectors[2:3], 2048, 5).tobytes() == low[2:3].tobytes()
    assert not np.array_equal(project(vectors, 2048, 6), low)
    assert project(vectors, 9001, 5) is vectors


def test_projected_products_are_right_on_the_mean() -> None:
    rng = np.random.default_rng(1)
    a, b = unit_rows(rng.standard_normal((2, 300)).astype(np.float32) + np.float32(0.5))
    pair = np.stack([a, b])
    found = np.array([np.prod(project(pair, 32, seed), axis=0).sum() for seed in range(400)])
    # the error of one is that of dense signs, sqrt((1 + <a, b>^2) / 32)
    assert abs(found.mean() - a @ b) < 4 * found.std() / np.sqrt(len(found))
    assert found.std() < 1.2 * np.sqrt((1 + (a @ b) ** 2) / 32)


def test_gradients_of_the_last_layers_are_a_part_of_all(tiny: Path) -> None:
    found = examples(tiny, made("digits", 2, 1))
    layers, sizes = load_model(tiny)[1].config.num_hidden_layers, []
    for last in (None, 1, layers + 5):
        model = Adapted(
            load_model(tiny)[1], rank=2, alpha=4, targets=["q_proj"], device="cpu", seed=0, last_layers=last
        )
        sizes.append(model.size)
        # the second matrix of an adapter is zero at first: the first has no gradient yet
        assert np.isfinite(model.gradients(found)).all() and model.gradients(found).any()
    assert sizes[1] * layers == sizes[0] == sizes[2]


def examples(tiny: Path, talks: list[Any]) -> list[Example]:
    windows = TokenWindows(*load_model(tiny), 512)
    return [
        Example((windows.answer(PROMPT.replace("{question}", asked["content"]), answer["content"])[0],))
        for asked, answer in talks
    ]


def test_gradients_are_the_losses_derivatives(tiny: Path) -> None:
    import torch

    model = Adapted(load_model(tiny)[1], rank=2, alpha=4, targets=["q_proj", "v_proj"], device="cpu", seed=0)
    found = examples(tiny, made("digits", 3, 1))
    (snapshot,) = model.warm_up(found, epochs=1, batch=2, rate=1e-2, seed=0)
    model.load(snapshot)
    gradients = model.gradients(found)
    assert gradients.shape == (3, model.size) and snapshot.second.min() >= 0 and snapshot.first.any()
    # in double precision, along the gradient: the difference of losses on both sides
    model._model.double()
    for example, gradient in zip(found, gradients, strict=True):
        norm = float(np.linalg.norm(gradient))
        ways = np.split(gradient.astype(float) / norm, np.cumsum([weight.numel() for weight in model._weights])[:-1])
        losses = []
        for side in (1, -2):
            with torch.no_grad():
                for weight, way in zip(model._weights, ways, strict=True):
                    weight += side * 1e-4 * torch.from_numpy(way.reshape(weight.shape))
                losses.append(float(model._loss(example)))
        with torch.no_grad():
            for weight, way in zip(model._weights, ways, strict=True):
                weight += 1e-4 * torch.from_numpy(way.reshape(weight.shape))
        assert (losses[0] - losses[1]) / 2e-4 == pytest.approx(norm, rel=2e-3)


def test_scores_are_those_of_brute_force(tiny: Path) -> None:
    talks = [*made("digits", 3, 1), None, *made("words", 3, 2)]
    tasks = [made("digits", 2, 3), made("words", 3, 4)]
    # more dimensions than weights: nothing is projected; all of the pool is trained on
    selector = less(tiny, dimensions=1 << 20, warm_up=1.0, seed=3)
    found = scores(selector.aimed_at(tasks), talks)
    pool, target = examples(tiny, [t for t in talks if t]), [examples(tiny, task) for task in tasks]
    model = Adapted(load_model(tiny)[1], rank=2, alpha=32, targets=selector.adapted, device="cpu", seed=3)
    wanted = np.zeros((6, 2))
    snapshots = model.warm_up(pool, epochs=2, batch=4, rate=1e-2, seed=3)
    for snapshot in snapshots:
        model.load(snapshot)
        for i, own in enumerate(pool):
            g = model.gradients([own])[0]
            step = (0.9 * snapshot.first + 0.1 * g) / np.sqrt(0.999 * snapshot.second + 0.001 * g**2 + 1e-8)
            for t, task in enumerate(target):
                for other in task:
                    h = model.gradients([other])[0]
                    cosine = step @ h / np.linalg.norm(step) / np.linalg.norm(h)
                    wanted[i, t] += snapshot.rate / sum(s.rate for s in snapshots) * cosine / len(task)
    assert np.isnan(found[3])
    known = found[~np.isnan(found)]
    assert known == pytest.approx(wanted.max(axis=1), abs=1e-4)
    mean = scores(selector.model_copy(update={"over": "mean"}).aimed_at(tasks), talks)
    assert mean[~np.isnan(mean)] == pytest.approx(wanted.mean(axis=1), abs=1e-4)


def test_a_planted_kind_is_found(tiny: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    # weights as a model begins with them: those of the tiny one are eight times as large, and its losses all but chaotic
    model: Any = AutoModelForCausalLM.from_pretrained(tiny)
    for weight in model.parameters():
        weight.data /= 8
    model.save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(tiny).save_pretrained(tmp_path)
    talks = [*made("digits", 12, 1), *made("words", 12, 2)]
    for kind, mine in (("digits", slice(0, 12)), ("words", slice(12, 24))):
        found = scores(less(tmp_path, dimensions=512).aimed_at([made(kind, 4, 9)]), talks)
        others = np.delete(found, np.arange(24)[mine])
        assert (found[mine][:, None] > others[None]).mean() > 0.95


def test_no_other_selector_takes_gradients() -> None:
    code = {file.name: file.read_text() for file in Path(less_module.__file__).parent.rglob("*.py")}
    assert [name for name, text in code.items() if "backward(" in text or "autograd" in text] == ["gradients.py"]
    assert [name for name, text in code.items() if "select.gradients" in text] == ["less.py"]


def test_bad_input_is_told(tiny: Path) -> None:
    some, task = made("words", 3, 1), [made("words", 1, 2)]
    with pytest.raises(CurateError, match="no document has an answer"):
        scores(less(tiny).aimed_at(task), [None, None])
    with pytest.raises(CurateError, match="task 1 has no answer"):
        scores(less(tiny, window=16).aimed_at([[talk("a", "b")], [talk("a" * 600, "b")]]), some)
    with pytest.raises(CurateError, match="no adapter fits"):
        scores(less(tiny, adapted=["nothing"]).aimed_at(task), some)
    with pytest.raises(ConfigError, match="has no target"):
        less(tiny).assets()
    one = scores(less(tiny).aimed_at(task), some[:1])
    assert one.shape == (1,) and np.isfinite(one).all()
    twice = scores(less(tiny).aimed_at(task), [some[0], some[1], some[0]])
    assert twice[0] == pytest.approx(twice[2], abs=1e-5) and twice[0] != pytest.approx(twice[1], abs=1e-4)


def test_a_killed_run_goes_on_with_the_same_scores(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    talks = [*made("digits", 5, 1), None, *made("words", 5, 2)]
    units = [talks[:4], talks[4:4], talks[4:]]
    keys = [
        pa.array([len(units[0]) * i + place for place in range(len(unit))], pa.uint64()) for i, unit in enumerate(units)
    ]
    tables = [
        pa.table(
            {"row": pa.array(range(len(unit)), pa.int32()), "key": key, "messages": pa.array(unit, MESSAGES)},
        )
        for unit, key in zip(units, keys, strict=True)
    ]
    selector = less(tiny, epochs=2).aimed_at([made("digits", 2, 3)])
    monkeypatch.setattr(less_module, "BLOCK", 3)

    def run(remembered: Path | None, own: list[pa.Table] = tables) -> list[float]:
        pool = Contributions(
            lambda: iter(own), lambda *_: pa.nulls(0), lambda _: iter(()), 1 << 30, tmp_path, ("a", "b"), remembered
        )
        return np.concatenate(list(selector.score(selector.fit(pool), pool))).tolist()

    asked: list[int] = []
    gradients = Adapted.gradients

    def counted(self: Adapted, found: Any) -> Any:
        asked.append(len(found))
        if limit and len(asked) > limit:
            raise KeyboardInterrupt
        return gradients(self, found)

    monkeypatch.setattr(Adapted, "gradients", counted)
    limit = 0
    whole = run(None)
    every = len(asked)
    asked.clear()
    limit = 7  # of the target two, of the first blocks of documents five
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "remembered.arrow")
    asked.clear()
    limit = 0
    assert np.array_equal(run(tmp_path / "remembered.arrow"), whole, equal_nan=True) and np.isnan(whole).sum() == 1
    assert 0 < len(asked) <= every - 6, "the target and the first two blocks are not asked again"
    asked.clear()
    assert np.array_equal(run(tmp_path / "remembered.arrow"), whole, equal_nan=True) and not asked
    # another pool under the same settings begins anew
    assert len(run(tmp_path / "remembered.arrow", tables[:1])) == 4 and asked
