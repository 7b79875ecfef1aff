"""Skill graphs: learned from loss tables and short runs, their options, density, files and drawings."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from curate.errors import ConfigError
from curate.select.weights.graph_drawing import draw, shades, svg
from curate.select.weights.history import Floats
from curate.select.weights.skill_graph import SkillGraph, brute_force_graph, learn_graph, linear_graph, load_graph

NAMES = ("x", "y", "z")


def test_the_linear_learner_as_in_the_specification() -> None:
    before, after = np.array([3.0, 2.5]), np.array([[2.0, 2.6], [2.8, 1.5]])
    np.testing.assert_allclose(linear_graph(before, after), [[1, -0.1], [0.2, 1]])
    np.testing.assert_allclose(linear_graph(before, after, relative=True), [[1 / 3, -0.04], [0.2 / 3, 0.4]])


def test_brute_force_compares_the_mix_with_the_group_alone() -> None:
    before, alone = np.array([3.0, 3.0]), np.array([2.0, 2.5])
    # with y, x falls to 1.5 rather than 2; with x, y falls to 2.8 only
    pairs = np.array([[0, 2.8], [1.5, 0]])
    np.testing.assert_allclose(brute_force_graph(before, alone, pairs), [[1, -0.3], [0.5, 0.5]])


def runs(log: list[Floats]) -> Floats:
    """A trainer: x helps y, nothing else helps anything; each group falls by what it gets."""
    planted = np.array([[1, 0.8, 0], [0, 0.5, 0], [0, 0, 1]])

    def run(mixture: Floats) -> Floats:
        log.append(mixture)
        return 4.0 - planted.T @ mixture

    return run  # type: ignore[return-value]


@pytest.mark.parametrize(("method", "count"), [("linear", 3), ("brute_force", 6)])
def test_a_graph_is_learned_by_short_runs(method: str, count: int) -> None:
    log: list[Floats] = []
    graph = learn_graph(NAMES, NAMES, np.full(3, 4.0), runs(log), method=method)  # type: ignore[arg-type]
    assert len(log) == count and graph.facts["method"] == method
    edges = (graph.weights > 1e-9) & ~graph.diagonal
    assert np.argwhere(edges).tolist() == [[0, 1]]
    assert graph.density == 1 / 6


def test_out_of_domain_learns_a_rectangle_linearly() -> None:
    def run(mixture: Floats) -> Floats:
        return np.array([2.0 - mixture[0]])

    graph = learn_graph(NAMES, ["target"], np.array([2.0]), run)
    assert graph.weights.tolist() == [[1.0], [0.0], [0.0]] and graph.density == 1 / 3
    with pytest.raises(ConfigError, match="trains on each evaluated group alone"):
        learn_graph(NAMES, ["target"], np.array([2.0]), run, method="brute_force")


def test_negatives_and_diagonal_are_options() -> None:
    graph = SkillGraph(NAMES[:2], NAMES[:2], np.array([[0.3, -0.2], [0.1, 0.4]]))
    assert graph.with_options().weights.tolist() == [[0.3, -0.2], [0.1, 0.4]]
    assert graph.with_options(negatives="clip", diagonal="one").weights.tolist() == [[1, 0], [0.1, 1]]
    assert graph.with_options(floor=0.5).weights.tolist() == [[0.3, -0.2], [0, 0.4]]
    assert graph.stepped().weights.tolist() == [[1, 0], [0.5, 1]]
    assert graph.columns(["y"]).weights.tolist() == [[-0.2], [0.4]]


@pytest.mark.parametrize(
    ("weights", "density", "words"),
    [
        (np.eye(5), 0.0, "hardly any group"),
        (np.ones((5, 5)), 1.0, "every group helps"),
        (np.triu(np.ones((5, 5))), 0.5, "neither empty nor complete"),
    ],
)
def test_density_leaves_the_diagonal_out_and_comes_with_advice(weights: Floats, density: float, words: str) -> None:
    graph = SkillGraph(tuple("abcde"), tuple("abcde"), weights)
    assert graph.density == density and words in graph.advice


@pytest.mark.parametrize("suffix", ["json", "parquet"])
def test_a_saved_graph_is_read_back_to_the_bit(tmp_path: Path, suffix: str) -> None:
    values = np.random.default_rng(0).standard_normal((3, 2))
    graph = SkillGraph(NAMES, ("u", "v"), values, {"method": "linear", "steps": 600})
    graph.save(tmp_path / f"graph.{suffix}")
    held = load_graph(tmp_path / f"graph.{suffix}")
    assert (held.trained, held.evaluated, dict(held.facts)) == (NAMES, ("u", "v"), dict(graph.facts))
    assert held.weights.tobytes() == values.tobytes()


@pytest.mark.parametrize(
    "content", ["", "{}", '{"trained": ["a"], "evaluated": ["b"], "weights": [[1, 2]], "facts": {}}']
)
def test_what_is_no_graph_is_told(tmp_path: Path, content: str) -> None:
    (tmp_path / "graph.json").write_text(content)
    with pytest.raises(ConfigError, match="is no skill graph"):
        load_graph(tmp_path / "graph.json")


def test_a_drawing_is_valid_and_leaves_out_diagonal_and_negatives(tmp_path: Path) -> None:
    graph = SkillGraph(("a<b", "y"), ("a<b", "y", "z"), np.array([[9.0, 2.0, -1.0], [0.5, 9.0, 0.0]]))
    assert shades(graph).tolist() == [[0, 1, 0], [0.25, 0, 0]]
    tree = ET.fromstring(svg(graph))
    cells = [node for node in tree.iter() if node.tag.endswith("rect") and node.get("stroke")]
    assert (
        len(cells) == 6 and cells[1].get("fill") == "rgb(8, 48, 107)" and cells[0].get("fill") == "rgb(255, 255, 255)"
    )
    draw(graph, tmp_path / "graph.svg")
    draw(graph, tmp_path / "graph.png")
    assert (tmp_path / "graph.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ConfigError, match=r"\.svg or \.png"):
        draw(graph, tmp_path / "graph.gif")
