"""Ids are those of Hugging Face's tokenizers whatever the engine, and text never becomes a special token."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers_small import TEXTS, saved_tokenizer, small_tokenizer

from curate.errors import ConfigError, MissingAsset
from curate.train.encoding import TRICKY, Engine, HuggingFace, Kernel, Tiktoken, fast_engine
from curate.train.text_tokenizer import TextTokenizer, end_of, load_tokenizer

KINDS = ("gpt2", "smollm", "llama3")


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, TextTokenizer]:
    folder = tmp_path_factory.mktemp("tokenizers")
    return {kind: load_tokenizer(str(saved_tokenizer(folder / kind, kind))) for kind in (*KINDS, "qwen2")}


@pytest.mark.parametrize(("name", "cls"), [("kernel", Kernel), ("tiktoken", Tiktoken)])
@pytest.mark.parametrize("kind", KINDS)
def test_fast_engines_are_proved_equal_and_used(
    tokenizers: dict[str, TextTokenizer], kind: str, name: str, cls: type
) -> None:
    engine, why = fast_engine(tokenizers[kind], TEXTS, only=name)
    assert isinstance(engine, cls) and not why
    assert fast_engine(tokenizers[kind], TEXTS)[0].name == "kernel"
    found, wanted = engine.encode(TEXTS), HuggingFace(tokenizers[kind]).encode(TEXTS)
    assert np.array_equal(found.ids, wanted.ids) and np.array_equal(found.offsets, wanted.offsets)


@functools.cache
def engines(json: str, kind: str, name: str) -> tuple[Engine, HuggingFace]:
    tokenizer = TextTokenizer(kind, json, {}, 0, None, None, {})
    return fast_engine(tokenizer, [], only=name)[0], HuggingFace(tokenizer)


ANY = st.text(max_size=80) | st.text("ab '\n\t\r 12x<|>_-éſſ\u0301\u00a0\u2003LSTdmrevl", max_size=60)


@settings(max_examples=150, deadline=None)
@given(texts=st.lists(ANY, max_size=3), kind=st.sampled_from((*KINDS, "qwen2")))
def test_the_kernel_agrees_on_any_text(tokenizers: dict[str, TextTokenizer], texts: list[str], kind: str) -> None:
    fast, slow = engines(tokenizers[kind].json, kind, "kernel")
    assert isinstance(fast, Kernel)
    found, wanted = fast.encode(texts), slow.encode(texts)
    assert found.ids.tolist() == wanted.ids.tolist() and found.offsets.tolist() == wanted.offsets.tolist()


@settings(max_examples=40, deadline=None)
@given(text=ANY, kind=st.sampled_from(KINDS))
def test_tiktoken_agrees_on_any_text(tokenizers: dict[str, TextTokenizer], text: str, kind: str) -> None:
    fast, slow = engines(tokenizers[kind].json, kind, "tiktoken")
    assert isinstance(fast, Tiktoken)
    assert fast.encode([text]).ids.tolist() == slow.encode([text]).ids.tolist()


@pytest.mark.parametrize(
    "text", ["x" * 5000, " " * 5000 + "x", "ab\U000323b5c", "\u0378 it's", "e\u0301 " * 9, "\n" * 3000, "", "don'ſ"]
)
@pytest.mark.parametrize("kind", [*KINDS, "qwen2"])
def test_what_the_kernel_leaves_out_the_library_does(
    tokenizers: dict[str, TextTokenizer], kind: str, text: str
) -> None:
    fast, slow = engines(tokenizers[kind].json, kind, "kernel")
    texts = [TEXTS[0], text, TEXTS[1]]
    found, wanted = fast.encode(pa.array(["no", *texts])[1:]), slow.encode(texts)  # type: ignore[arg-type]
    assert found.ids.tolist() == wanted.ids.tolist() and found.offsets.tolist() == wanted.offsets.tolist()


def test_tokens_that_no_merge_makes_are_taken_whole_if_merges_are_ignored(tmp_path: Path) -> None:
    """Llama 3's `ignore_merges`: a word that is a token is that token, whatever its merges would give."""
    spec = json.loads(small_tokenizer("llama3").to_str())
    word = next(token for token in spec["model"]["vocab"] if token[0] == "Ġ" and len(token) > 5)
    spec["model"]["merges"] = [merge for merge in spec["model"]["merges"] if "".join(merge) != word]
    text = word.replace("Ġ", " ")
    found = {}
    for ignore in (False, True):
        spec["model"]["ignore_merges"] = ignore
        (tmp_path / "t.json").write_text(json.dumps(spec))
        tokenizer = load_tokenizer(str(tmp_path / "t.json"), eos="<|endoftext|>")
        engine, why = fast_engine(tokenizer, [text], only="kernel")
        assert isinstance(engine, Kernel), why
        found[ignore] = engine.encode([text]).ids.tolist()
        assert found[ignore] == HuggingFace(tokenizer).encode([text]).ids.tolist()
    assert len(found[True]) == 1 < len(found[False])


def test_another_tokenizer_goes_the_slow_way_and_says_why(tmp_path: Path) -> None:
    spaced = small_tokenizer("gpt2").to_str().replace('"add_prefix_space":false', '"add_prefix_space":true')
    (tmp_path / "tokenizer.json").write_text(spaced)
    engine, why = fast_engine(load_tokenizer(str(tmp_path)), [])
    assert isinstance(engine, HuggingFace) and "the pre-tokenizer is none of those known" in why


def test_a_wrong_engine_is_found_out(tokenizers: dict[str, TextTokenizer], monkeypatch: pytest.MonkeyPatch) -> None:
    """With the rules of another pattern the ids differ on the sample, and the library does the work."""
    from curate.train import bpe, encoding

    monkeypatch.setattr(encoding, "rules_of", lambda _: bpe.rules_of(bpe.GPT2_DIGITS))
    engine, why = fast_engine(tokenizers["llama3"], TEXTS, only="kernel")
    assert isinstance(engine, HuggingFace) and why == "kernel: its ids differ on a sample"


def test_added_tokens_are_found_as_hugging_face_finds_them(tmp_path: Path) -> None:
    name = saved_tokenizer(tmp_path / "t", "gpt2", added=("<tool_call>", "  "))
    tokenizer = load_tokenizer(str(name))
    text = "see <tool_call>x  y</tool_call>"
    for only, cls in (("kernel", Kernel), ("tiktoken", Tiktoken)):
        engine, why = fast_engine(tokenizer, [], only=only)
        assert isinstance(engine, cls) and not why
        found = engine.encode([text, "none"]).ids.tolist()
        assert found == HuggingFace(tokenizer).encode([text, "none"]).ids.tolist()
    assert small_tokenizer("gpt2", added=("<tool_call>", "  ")).token_to_id("<tool_call>") in found


@pytest.mark.parametrize("kind", KINDS)
def test_a_special_token_in_a_text_is_text(tokenizers: dict[str, TextTokenizer], kind: str) -> None:
    tokenizer = tokenizers[kind]
    special = set(tokenizer.special.values())
    for engine in (HuggingFace(tokenizer), fast_engine(tokenizer, [])[0]):
        assert not special & set(engine.encode(["a<|endoftext|>b", "<|im_end|>", *TRICKY]).ids.tolist())
    assert special & set(HuggingFace(tokenizer, special=True).encode(["a<|endoftext|>b"]).ids.tolist())


@pytest.mark.parametrize(
    ("special", "eos", "wanted"),
    [
        (("<|endoftext|>", "<x>"), None, "<|endoftext|>"),
        (("<s>", "</s>"), None, "</s>"),
        (("<|im_end|>", "<e>"), "<e>", "<e>"),
        (("<|im_end|>",), None, None),
        ((), None, None),
    ],
)
def test_the_end_of_a_text_is_known_or_asked_for(
    tmp_path: Path, special: tuple[str, ...], eos: str | None, wanted: str | None
) -> None:
    small_tokenizer("gpt2", special=special).save(str(tmp_path / "t.json"))
    tokenizer = load_tokenizer(str(tmp_path / "t.json"), eos=eos)
    assert tokenizer.token(tokenizer.eos) == wanted
    if wanted is None:
        with pytest.raises(ConfigError, match="does not say which token ends a text"):
            end_of(tokenizer, "--tokenizer")


def test_a_tokenizer_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text("{}")
    for name, message in (
        (str(tmp_path / "bad.json"), "is no tokenizer"),
        (str(tmp_path), "holds no tokenizer.json"),
        ("./nowhere", "there is no file or folder"),
    ):
        with pytest.raises(ConfigError, match=message):
            load_tokenizer(name)
    with pytest.raises(MissingAsset, match="there is no tokenizer `nobody/nothing`"):
        load_tokenizer("nobody/nothing")
    small_tokenizer("gpt2").save(str(tmp_path / "t.json"))
    with pytest.raises(ConfigError, match="has no token `<x>`"):
        load_tokenizer(str(tmp_path / "t.json"), eos="<x>")


def test_what_is_saved_loads_in_transformers(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    small_tokenizer("llama3").save(str(tmp_path / "t.json"))
    tokenizer = load_tokenizer(str(tmp_path / "t.json"))
    tokenizer.save(tmp_path / "saved")
    loaded = transformers.AutoTokenizer.from_pretrained(str(tmp_path / "saved"))
    assert loaded.eos_token == "<|endoftext|>" and loaded.eos_token_id == tokenizer.eos
    assert loaded(TEXTS[0])["input_ids"] == HuggingFace(tokenizer).encode([TEXTS[0]]).ids.tolist()
    assert load_tokenizer(str(tmp_path / "saved")).sha256 == tokenizer.sha256
