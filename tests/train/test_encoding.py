"""Ids are those of Hugging Face's tokenizers whatever the engine, and text never becomes a special token."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers_small import TEXTS, saved_tokenizer, small_tokenizer

from curate.errors import ConfigError, MissingAsset
from curate.train.encoding import TRICKY, HuggingFace, Tiktoken, fast_engine
from curate.train.text_tokenizer import TextTokenizer, end_of, load_tokenizer

KINDS = ("gpt2", "smollm", "llama3")


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, TextTokenizer]:
    folder = tmp_path_factory.mktemp("tokenizers")
    return {kind: load_tokenizer(str(saved_tokenizer(folder / kind, kind))) for kind in (*KINDS, "qwen2")}


@pytest.mark.parametrize("kind", KINDS)
def test_tiktoken_is_proved_equal_and_used(tokenizers: dict[str, TextTokenizer], kind: str) -> None:
    engine, why = fast_engine(tokenizers[kind], TEXTS)
    assert isinstance(engine, Tiktoken) and not why
    found, wanted = engine.encode(TEXTS), HuggingFace(tokenizers[kind]).encode(TEXTS)
    assert np.array_equal(found.ids, wanted.ids) and np.array_equal(found.offsets, wanted.offsets)


@functools.cache
def engines(json: str, kind: str) -> tuple[Tiktoken | HuggingFace, HuggingFace]:
    tokenizer = TextTokenizer(kind, json, {}, 0, None, None, {})
    return fast_engine(tokenizer, [])[0], HuggingFace(tokenizer)


@settings(max_examples=150, deadline=None)
@given(text=st.text(max_size=80) | st.text("ab '\n\t\r 12x<|>_-é", max_size=60), kind=st.sampled_from(KINDS))
def test_engines_agree_on_any_text(tokenizers: dict[str, TextTokenizer], text: str, kind: str) -> None:
    fast, slow = engines(tokenizers[kind].json, kind)
    assert not isinstance(fast, HuggingFace)
    assert fast.encode([text]).ids.tolist() == slow.encode([text]).ids.tolist()


def test_another_tokenizer_goes_the_slow_way_and_says_why(tokenizers: dict[str, TextTokenizer], tmp_path: Path) -> None:
    engine, why = fast_engine(tokenizers["qwen2"], [])
    assert isinstance(engine, HuggingFace) and why == "the normaliser NFC changes the text first"
    tokenizer = small_tokenizer("gpt2")
    (tmp_path / "tokenizer.json").write_text(
        tokenizer.to_str().replace('"add_prefix_space":false', '"add_prefix_space":true')
    )
    assert fast_engine(load_tokenizer(str(tmp_path)), [])[1].startswith("the pre-tokenizer is none")


def test_added_tokens_are_found_as_hugging_face_finds_them(tmp_path: Path) -> None:
    name = saved_tokenizer(tmp_path / "t", "gpt2", added=("<tool_call>", "  "))
    tokenizer = load_tokenizer(str(name))
    engine, why = fast_engine(tokenizer, [])
    assert isinstance(engine, Tiktoken) and not why
    text = "see <tool_call>x  y</tool_call>"
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
