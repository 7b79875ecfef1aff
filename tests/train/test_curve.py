"""Data-fraction curves: nested parts, a power law that finds its own constants, runs that are kept."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from token_sets import make_set, random_lengths

from curate.errors import ConfigError, CurateError
from curate.train.power_law import fit
from curate.train.subset import subset
from curate.train.token_set import TokenSet


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    lengths = {"books": random_lengths(1, 12, mean=60), "web": random_lengths(2, 80, mean=40)}
    folder = tmp_path_factory.mktemp("curve") / "set"
    return make_set(folder, lengths, vocabulary=200, answers=0.5, scored=True).folder


def test_a_law_is_found_again() -> None:
    sizes = [0.15, 0.3, 0.6, 1.4]
    found = fit(sizes, [0.05 / n**1.02 + 3.43 for n in sizes])
    assert (found.a, found.b, found.c) == pytest.approx((0.05, 1.02, 3.43), abs=1e-4) and found.error < 1e-6
    assert [round(found.at(n), 4) for n in sizes] == [3.7762, 3.6007, 3.5142, 3.4655] and not found.spread
    assert found.needed(found.at(0.6)) == pytest.approx(0.6) and found.needed(3.0) is None


@pytest.mark.parametrize("b", [0.1, 0.5, 2.0])
def test_a_law_bears_noise_and_says_how_much(b: float) -> None:
    sizes = np.geomspace(1, 100, 9)
    found = fit(sizes, 2 * sizes**-b + 1 + np.random.default_rng(0).normal(0, 1e-3, 9))
    assert found.error < 2e-3 and found.spread["b"][0] <= b * 1.1 and found.spread["b"][1] >= b * 0.9


def test_no_law_promises_a_loss_below_nothing_or_harm_by_more() -> None:
    assert fit([1, 2, 4], [3.0, 2.0, 0.9]).c == 0
    rising = fit([1, 2, 4], [1.0, 2.0, 3.0])
    assert rising.a == 0 and rising.c == pytest.approx(2.0) and rising.needed(2.5) is None


def test_two_points_are_no_curve() -> None:
    with pytest.raises(CurateError, match="three or more"):
        fit([1, 2], [3.0, 2.0])


def test_parts_are_nested_whole_and_of_every_source(data: Path, tmp_path: Path) -> None:
    whole = TokenSet.open(data)
    places: list[set[Any]] = []
    for fraction in (0.125, 0.5, 1.0):
        part = subset(whole, fraction, 7, tmp_path / str(fraction))
        held = {(s, d.id): d for s in part.sources for d in part.documents(s)}
        places.append(set(held))
        assert {s: sum(key[0] == s for key in held) for s in part.sources} == {
            s: round(fraction * count) for s, count in (("books", 12), ("web", 80))
        }
        for source in part.sources:
            known = {d.id: d for d in whole.documents(source)}
            for (s, name), document in held.items():
                if s == source:
                    assert (document.tokens == known[name].tokens).all() and (document.mask == known[name].mask).all()
    assert places[0] < places[1] < places[2]
    assert (
        TokenSet.open(tmp_path / "1.0").scored and TokenSet.open(tmp_path / "0.5").manifest["part"]["of"] == whole.hash
    )
    assert subset(whole, 0.5, 8, tmp_path / "other").hash != TokenSet.open(tmp_path / "0.5").hash


def test_a_part_of_other_data_or_of_another_seed_is_made_anew(data: Path, tmp_path: Path) -> None:
    whole = TokenSet.open(data)
    more = make_set(tmp_path / "more", {"books": [50] * 20, "web": [40] * 90}, vocabulary=200)
    given = [(whole, 0.5, 7), (whole, 0.5, 8), (more, 0.5, 8), (more, 0.25, 8)]
    found = [subset(of, fraction, seed, tmp_path / "part") for of, fraction, seed in given]
    assert [part.manifest["part"] for part in found] == [
        {"of": of.hash, "fraction": fraction, "seed": seed} for of, fraction, seed in given
    ]
    assert [part.manifest["documents"] for part in found[-2:]] == [55, 27]


def test_a_part_is_of_the_runs_of_the_whole(data: Path, tmp_path: Path) -> None:
    whole = TokenSet.open(shutil.copytree(data, tmp_path / "set"))
    run = {"folder": "../run", "name": "r", "version": 1, "fingerprint": "f", "content": "c"}
    found = subset(TokenSet(whole.folder, {**whole.manifest, "runs": [run]}), 0.5, 7, tmp_path / "deep" / "part")
    assert found.runs == [{**run, "folder": "../../run"}]


def test_a_curve_runs_on_parts_and_keeps_what_it_did(data: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from training_runs import losses_of, metrics, settings

    from curate.train.curve_command import curve_of_file

    chosen = settings(data, tmp_path / "run", steps=8, mixture={"kind": "proportional"}, evaluate={"data": str(data)})
    (tmp_path / "t.yaml").write_text(json.dumps(chosen.model_dump(mode="json", by_alias=True)))
    given: dict[str, Any] = {"output": None, "fractions": "1/4,1/2,1", "seeds": 1, "steps": "epochs", "settings": []}
    curve_of_file(str(tmp_path / "t.yaml"), **given)
    output = tmp_path / "run-curve"
    first = (output / "curve.json").read_bytes()
    found = json.loads(first)
    assert [(p["fraction"], p["steps"], len(p["losses"])) for p in found["points"]] == [
        (0.25, 2, 1),
        (0.5, 4, 1),
        (1, 8, 1),
    ]
    assert found["law"] and (output / "curve.svg").read_text().count("<circle") == 3
    (run,) = (output / "runs").glob("0.5-0-*")
    assert len(losses_of(metrics(run))) == 4
    written = {path: path.stat().st_mtime_ns for path in (output / "runs").glob("*/checkpoints/*/optimizer.pt")}
    curve_of_file(str(tmp_path / "t.yaml"), **given)
    assert {path: path.stat().st_mtime_ns for path in written} == written and (
        output / "curve.json"
    ).read_bytes() == first
    # another setting is another run, and asks for nothing to be removed
    curve_of_file(str(tmp_path / "t.yaml"), **{**given, "fractions": "1/4,1/2", "settings": ["optimizer.lr=0.5"]})
    assert len(list((output / "runs").glob("0.5-0-*"))) == 2
    assert json.loads((output / "curve.json").read_text())["points"][0]["losses"] != found["points"][0]["losses"]
    with pytest.raises(ConfigError, match=r"--fractions: 0.001 and 0.002 of the data are the same [\d,]+ tokens"):
        curve_of_file(str(tmp_path / "t.yaml"), **{**given, "fractions": "0.001,0.002"})
    with pytest.raises(ConfigError, match=r"--fractions.*1, 2"):
        curve_of_file(str(tmp_path / "t.yaml"), **{**given, "fractions": "1,2"})
    with pytest.raises(ConfigError, match="(?s)--steps: epochs or same.*numbers with commas.*steps: input should be"):
        curve_of_file(
            str(tmp_path / "t.yaml"), **{**given, "fractions": "half", "steps": "x", "settings": ["steps=-1"]}
        )
