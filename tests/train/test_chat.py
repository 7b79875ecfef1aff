"""Masks of conversations: exactly the answers and the tokens that end them, or an error."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tokenizers_small import saved_tokenizer

pytest.importorskip("transformers")

from curate.errors import ConfigError
from curate.train.chat import NO_ANSWER, SPECIAL, Chat, ChatSettings, Rendered
from curate.train.text_tokenizer import TextTokenizer, load_tokenizer

TURNS = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "two and two?"},
    {"role": "assistant", "content": "\nfour, I think"},
    {"role": "tool", "content": '{"sum": 4}'},
    {"role": "assistant", "content": "it is four"},
    {"role": "user", "content": "why"},
    {"role": "assistant", "content": "हिन्दी में\n\nbecause"},
]
# The idiom of Zephyr's, Llama 3's and Qwen's templates.
EOS = (
    "{% for m in messages %}<|{{ m['role'] }}|>\n{{ m['content'] }}{{ eos_token if m['role'] == 'assistant' else '' }}\n"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
HEADERS = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n\\n' + m['content'] | trim + '<|im_end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n\\n' }}{% endif %}"
)
DEFAULT_SYSTEM = (
    "{% if messages[0]['role'] != 'system' %}<|im_start|>system\nYou help.<|im_end|>\n{% endif %}{% for m in messages %}"
    "<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
# Each earlier answer loses what stands before "</think>", as in reasoning models: only the last can be proved.
THOUGHTS = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{% if m['role'] == 'assistant' and not loop.last %}"
    "{{ m['content'] | upper }}{% else %}{{ m['content'] }}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
NO_END = (
    "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)
NO_PROMPT = "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
ALL_MARKED = (
    "{% generation %}{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>{% endfor %}"
    "{% endgeneration %}"
)
CLOCK = NO_PROMPT + "{{ strftime_now('%d') }}"
GOOD = {"chatml": "chatml", "plain": "plain", "eos": EOS, "headers": HEADERS, "system": DEFAULT_SYSTEM}


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> TextTokenizer:
    return load_tokenizer(str(saved_tokenizer(tmp_path_factory.mktemp("t") / "chat")))


def parts(tokenizer: TextTokenizer, rendered: Rendered | str) -> list[str]:
    """The runs of trained tokens, as text."""
    from tokenizers import Tokenizer

    assert isinstance(rendered, Rendered)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], rendered.mask, [0]]).astype(np.int8)))
    decode = Tokenizer.from_str(tokenizer.json).decode
    return [decode(rendered.ids[a:b].tolist(), skip_special_tokens=False) for a, b in edges.reshape(-1, 2)]


@pytest.mark.parametrize("name", GOOD)
def test_the_loss_is_of_answers_and_their_end_token(tokenizer: TextTokenizer, name: str) -> None:
    chat = Chat(tokenizer, ChatSettings(GOOD[name]))
    end = "<|im_end|>" if name in ("chatml", "headers", "system") else "<|endoftext|>"
    answers = [m["content"] for m in TURNS if m["role"] == "assistant"]
    wanted = [(a.strip() if name == "headers" else a) + end for a in answers]
    assert parts(tokenizer, chat.render(TURNS)) == wanted
    last = Chat(tokenizer, ChatSettings(GOOD[name], answers="last"))
    assert parts(tokenizer, last.render(TURNS)) == wanted[-1:]
    assert parts(tokenizer, chat.render(TURNS[1:3])) == wanted[:1]


@pytest.mark.parametrize("name", GOOD)
def test_a_prompt_is_how_training_saw_it(tokenizer: TextTokenizer, name: str) -> None:
    """What inference tokenises is, token by token, what stands before the trained answer."""
    chat = Chat(tokenizer, ChatSettings(GOOD[name], answers="last"))
    for stop in (3, 5, 7):
        rendered = chat.render(TURNS[:stop])
        assert isinstance(rendered, Rendered)
        first = int(np.argmax(rendered.mask))
        assert chat.prompt(TURNS[: stop - 1]).tolist() == rendered.ids[:first].tolist()


def test_a_template_that_rewrites_answers_is_proved_for_the_last_alone(tokenizer: TextTokenizer) -> None:
    with pytest.raises(ConfigError, match=r"is not how the whole begins(.|\n)*--answers last"):
        Chat(tokenizer, ChatSettings(THOUGHTS))
    chat = Chat(tokenizer, ChatSettings(THOUGHTS, answers="last"))
    assert parts(tokenizer, chat.render(TURNS)) == [TURNS[-1]["content"] + "<|im_end|>"]


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (NO_END, "does not end in a special token"),
        (NO_PROMPT + "{{ undefined_thing.x }}", "fails"),
        (ALL_MARKED, "its mask holds"),
        (NO_PROMPT, "its mask holds"),
        (CLOCK, "prints the date"),
        ("{% for m in messages %}", "fails"),
        ("nothing", "is none of auto"),
    ],
)
def test_a_template_that_cannot_be_masked_is_an_error(tokenizer: TextTokenizer, template: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Chat(tokenizer, ChatSettings(template))


def test_what_is_left_out_says_why(tokenizer: TextTokenizer) -> None:
    chat = Chat(tokenizer, ChatSettings())
    assert chat.render([{"role": "user", "content": "hm"}]) == NO_ANSWER
    assert chat.render([{"role": "user", "content": "x<|im_end|>"}, {"role": "assistant", "content": "y"}]) == SPECIAL


def test_the_template_is_the_tokenizers_own_then_chatml_then_plain(tmp_path: Path, tokenizer: TextTokenizer) -> None:
    own = load_tokenizer(str(saved_tokenizer(tmp_path / "own", template=EOS)))
    bare = load_tokenizer(str(saved_tokenizer(tmp_path / "bare", special=("<|endoftext|>",))))
    assert [Chat(t, ChatSettings()).kind for t in (own, tokenizer, bare)] == ["tokenizer", "chatml", "plain"]
    with pytest.raises(ConfigError, match="has no tokens <|im_start|>"):
        Chat(bare, ChatSettings("chatml"))
    with pytest.raises(ConfigError, match="has no chat template"):
        Chat(bare, ChatSettings("tokenizer"))
    none = load_tokenizer(str(saved_tokenizer(tmp_path / "none", special=("<x>",))))
    with pytest.raises(ConfigError, match="does not say which token ends a text"):
        Chat(none, ChatSettings())


def test_response_tuning_keeps_the_turns_and_leaves_out_what_users_say(tokenizer: TextTokenizer) -> None:
    turns = [{"role": "user", "content": "two and two?"}, {"role": "assistant", "content": "Hi"}]
    template = "{% for m in messages %}<|{{ m['role'] }}|>\n{{ m['content'] }}{{ eos_token if m['role'] == 'assistant' else '\n' }}{% endfor %}{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
    found = Chat(tokenizer, ChatSettings(template, prompts="empty")).render(turns)
    kept = Chat(tokenizer, ChatSettings(template)).render(turns)
    assert isinstance(found, Rendered) and isinstance(kept, Rendered)
    end = str(tokenizer.token(tokenizer.eos))
    assert parts(tokenizer, found) == parts(tokenizer, kept) == [f"Hi{end}"]
    whole = found._replace(mask=np.ones_like(found.mask))
    assert parts(tokenizer, whole)[0].endswith(f"<|user|>\n\n<|assistant|>\nHi{end}")
