"""Conversations -> token ids and a mask of what the loss is of: the assistant's words and the token that ends its turn.

Two kinds of templates. Our own (`chatml`, `plain`) are pieces whose roles are known. A tokenizer's template (Jinja) is
rendered as transformers does, and where an answer stands is proved, not guessed: by its `{% generation %}` blocks, or
because the conversation up to the answer, rendered with the generation prompt, is how the whole begins. A template that
rewrites earlier turns (that drops their thoughts, say) can be proved for the last answer alone: `answers: last`.

A prompt and its answer are tokenised apart: as at inference, where the model goes on behind the tokens of the prompt.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from curate.errors import ConfigError, Problem
from curate.files import digest
from curate.train.encoding import HuggingFace, joined
from curate.train.text_tokenizer import TextTokenizer, end_of, need

Answers = Literal["all", "last"]
Prompts = Literal["kept", "empty"]
START, END = "<|im_start|>", "<|im_end|>"
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{% if message['role'] == 'assistant' %}"
    "{% generation %}{{ message['content'] }}<|im_end|>{% endgeneration %}\n{% else %}{{ message['content'] }}<|im_end|>\n"
    "{% endif %}{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
PLAIN = (
    "{% for message in messages %}### {{ message['role'] | capitalize }}:\n{% if message['role'] == 'assistant' %}"
    "{% generation %}{{ message['content'] }}{{ eos_token }}{% endgeneration %}\n\n{% else %}{{ message['content'] }}\n\n"
    "{% endif %}{% endfor %}{% if add_generation_prompt %}### Assistant:\n{% endif %}"
)
OWN = {"chatml": CHATML, "plain": PLAIN}
GENERATION = re.compile(r"\{%-?\s*generation\s*-?%\}")
# What templates that print a date are given instead of today's: the same bytes on any day.
DATE = "26 Jul 2024"
# Reasons for which a conversation is left out, as the manifest counts them.
SPECIAL, NO_ANSWER, REFUSED, NOT_PROVED = (
    "special token in a message",
    "no answer",
    "refused by the template",
    "mask not proved",
)


@dataclass(frozen=True)
class ChatSettings:
    """`template`: `auto` (the tokenizer's own, else chatml if it has its tokens, else plain), `chatml`, `plain`, `tokenizer`,
    or a Jinja template; `answers`: whether the loss is of all answers or of the last; `prompts`: what users say is `kept`, or
    each of their turns is left `empty` (response tuning: Hewitt et al. 2024, arXiv 2409.14254)."""

    template: str = "auto"
    answers: Answers = "all"
    prompts: Prompts = "kept"


class Rendered(NamedTuple):
    """Ids, and 1 where the loss is; both as long as the conversation."""

    ids: npt.NDArray[np.uint32]
    mask: npt.NDArray[np.uint8]


class Chat:
    """A template with a tokenizer. `render` gives ids and mask of a conversation."""

    def __init__(self, tokenizer: TextTokenizer, settings: ChatSettings) -> None:
        """Raises ConfigError for a template that cannot be masked, MissingAsset without transformers."""
        need("transformers", "--chat")
        self.tokenizer, self.settings = tokenizer, settings
        self.kind, self.jinja = _template(tokenizer, settings.template)
        self._engine = HuggingFace(tokenizer, special=True)
        self._tokens = _named_tokens(tokenizer)
        self._special = [token for token in tokenizer.special if token.strip()]
        self._marked = bool(GENERATION.search(self.jinja))
        self._clock()
        self.prove()

    @property
    def fingerprint(self) -> str:
        """What names all that decides ids and masks."""
        prompts = ["empty"] if self.settings.prompts == "empty" else []
        return digest([self.jinja, self.settings.answers, self._tokens, *prompts])

    def facts(self) -> dict[str, Any]:
        """What the manifest says of the rendering."""
        proof = "generation blocks" if self._marked else "prefixes"
        prompts = {"prompts": "empty"} if self.settings.prompts == "empty" else {}
        return {"template": self.kind, "answers": self.settings.answers, "mask": proof, **prompts}

    def render(self, messages: Sequence[Mapping[str, str]]) -> Rendered | str:
        """Ids and mask of a conversation of `{role, content}`, or the reason why it is left out."""
        if not any(message["role"] == "assistant" for message in messages):
            return NO_ANSWER
        for message in messages:
            if any(token in message["content"] for token in self._special):
                # typed into a message, it would end turns that go on
                return SPECIAL
        if self.settings.prompts == "empty":
            messages = [{**m, "content": "" if m["role"] == "user" else m["content"]} for m in messages]
        try:
            text, spans = self._spans(messages)
        except _NotProved:
            return NOT_PROVED
        except Exception as error:  # jinja2 raises TemplateError and whatever the template's own code does
            if type(error).__module__.startswith("jinja2") or isinstance(error, TypeError | ValueError | KeyError):
                return REFUSED
            raise
        return self._tokenised(text, spans)

    def prompt(self, messages: Sequence[Mapping[str, str]]) -> npt.NDArray[np.uint32]:
        """The ids that the model answers to: what inference is to give it."""
        return self._with_bos(self._engine.encode([self._rendered(messages, prompt=True)]).ids)

    def prove(self) -> None:
        """Render conversations that are known and look at the masks. Raises ConfigError."""
        for messages in _PROBES:
            where = f"the chat template ({self.kind})"
            try:
                text, spans = self._spans(messages)
            except _NotProved as error:
                raise ConfigError([Problem(where, str(error), error.hint)]) from error
            except Exception as error:  # see render
                if len(messages) > 2:
                    continue  # a template need not know systems and tools
                raise ConfigError([Problem(where, f"fails: {error}", "try --template chatml")]) from error
            self._check(where, messages, text, spans)

    def _check(
        self, where: str, messages: Sequence[Mapping[str, str]], text: str, spans: list[tuple[int, int]]
    ) -> None:
        """The spans hold the answers and nothing else, and each ends in a token that a text does not hold."""
        answers = [message["content"] for message in messages if message["role"] == "assistant"]
        wanted = answers if self.settings.answers == "all" else answers[-1:]
        found = [text[start:stop] for start, stop in spans]
        others = [message["content"] for message in messages if message["content"] not in answers]
        if len(found) != len(wanted) or not all(answer in part for answer, part in zip(wanted, found, strict=True)):
            what = f"its mask holds {found}, not the answers {wanted}"
            raise ConfigError([Problem(where, what, "mark answers with {% generation %} or try --template chatml")])
        if any(other in part for other in others for part in found):
            raise ConfigError([Problem(where, f"its mask holds more than the answers: {found}")])
        rendered = self._tokenised(text, spans)
        ends = np.flatnonzero(np.diff(np.append(rendered.mask, 0).astype(np.int8)) == -1)
        special = set(self.tokenizer.special.values())
        if len(ends) != len(wanted) or any(int(rendered.ids[end]) not in special for end in ends):
            what = f"an answer does not end in a special token: {found[0]!r}; the model would never learn to stop"
            raise ConfigError([Problem(where, what, "end turns in the end token, or try --template chatml")])

    def _spans(self, messages: Sequence[Mapping[str, str]]) -> tuple[str, list[tuple[int, int]]]:
        """(the whole text, [first, end) of each answer with its end token), in characters."""
        if self._marked:
            text, spans = self._generated(messages)
        else:
            text = self._rendered(messages)
            spans = [self._answer(messages, i, text) for i in self._answers(messages)]
        spans = [(start, self._end_of_turn(text, start, stop)) for start, stop in spans]
        return text, spans if self.settings.answers == "all" else spans[-1:]

    def _answers(self, messages: Sequence[Mapping[str, str]]) -> list[int]:
        found = [i for i, message in enumerate(messages) if message["role"] == "assistant"]
        return found if self.settings.answers == "all" else found[-1:]

    def _answer(self, messages: Sequence[Mapping[str, str]], i: int, text: str) -> tuple[int, int]:
        """Where answer i stands: between the rendering up to it with the generation prompt, and the rendering with it."""
        before, behind = self._rendered(messages[:i], prompt=True), self._rendered(messages[: i + 1])
        for part, what in ((before, "up to an answer"), (behind, "with an answer")):
            if not text.startswith(part):
                at = next(
                    (k for k, (a, b) in enumerate(zip(text, part, strict=False)) if a != b), min(len(text), len(part))
                )
                raise _NotProved(
                    f"the conversation {what} is not how the whole begins: {part[at : at + 40]!r} against "
                    f"{text[at : at + 40]!r}"
                )
        if len(behind) <= len(before):
            raise _NotProved(f"it adds nothing for the answer {messages[i]['content'][:40]!r}")
        return len(before), len(behind)

    def _end_of_turn(self, text: str, start: int, stop: int) -> int:
        """Behind the first special token of an answer: what follows it (a line feed, say) ends no turn."""
        ends = [at + len(token) for token in self._special if (at := text.find(token, start, stop)) >= 0]
        return min(ends, default=stop)

    def _tokenised(self, text: str, spans: Sequence[tuple[int, int]]) -> Rendered:
        """Each span and what is between them by itself."""
        cuts = [0, *(place for span in spans for place in span), len(text)]
        found = self._engine.encode([text[a:b] for a, b in zip(cuts, cuts[1:], strict=False)])
        mask = np.zeros(len(found.ids), np.uint8)
        for part in range(1, len(cuts) - 1, 2):
            mask[found.offsets[part] : found.offsets[part + 1]] = 1
        ids = self._with_bos(found.ids)
        mask = np.concatenate([np.zeros(len(ids) - len(mask), np.uint8), mask])
        return Rendered(ids, mask)

    def _with_bos(self, ids: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
        """With the token that the tokenizer begins a text with, unless the template wrote it."""
        bos = self.tokenizer.bos
        if bos is None or (len(ids) and ids[0] == bos):
            return ids
        return joined([np.array([bos], np.uint32), ids])[0]

    def _rendered(self, messages: Sequence[Mapping[str, str]], *, prompt: bool = False) -> str:
        texts, _ = _renderer()([list(messages)], **self._arguments(), add_generation_prompt=prompt)
        return str(texts[0])

    def _generated(self, messages: Sequence[Mapping[str, str]]) -> tuple[str, list[tuple[int, int]]]:
        texts, spans = _renderer()([list(messages)], **self._arguments(), return_assistant_tokens_mask=True)
        return str(texts[0]), [(start, stop) for start, stop in spans[0] if stop > start]

    def _arguments(self) -> dict[str, Any]:
        return {"chat_template": self.jinja, "date_string": DATE, **self._tokens}

    def _clock(self) -> None:
        if "strftime_now" in self.jinja and "date_string" not in self.jinja:
            what = "prints the date of the day on which it is rendered: the same input would give other tokens tomorrow"
            raise ConfigError([Problem(f"the chat template ({self.kind})", what, "give a template with a fixed date")])


def _renderer() -> Any:
    from transformers.utils.chat_template_utils import render_jinja_template

    return render_jinja_template


class _NotProved(Exception):
    """Where an answer stands cannot be proved."""

    hint = "try --answers last, mark answers with {% generation %}, or use --template chatml"


def _template(tokenizer: TextTokenizer, asked: str) -> tuple[str, str]:
    """(what it is called, the Jinja template). Raises ConfigError."""
    chatml = {START, END} <= set(tokenizer.special)
    kind = asked
    if asked == "auto":
        kind = "tokenizer" if tokenizer.template else "chatml" if chatml else "plain"
    if kind == "tokenizer":
        if tokenizer.template is None:
            raise ConfigError(
                [Problem("--template", f"the tokenizer {tokenizer.name} has no chat template", "try plain")]
            )
        return kind, tokenizer.template
    if kind == "chatml" and not chatml:
        what = f"the tokenizer {tokenizer.name} has no tokens {START} and {END}"
        raise ConfigError([Problem("--template", what, "train one with `curate tokenizer train`, or use plain")])
    if kind == "plain":
        end_of(tokenizer, "--template")
    if kind in OWN:
        return kind, OWN[kind]
    if "{" not in asked:
        known = "auto, tokenizer, chatml, plain, or a Jinja template or a file of one"
        raise ConfigError([Problem("--template", f"`{asked}` is none of {known}")])
    return "given", asked


def _named_tokens(tokenizer: TextTokenizer) -> dict[str, str]:
    """The tokens that templates call by name."""
    named = {"eos_token": tokenizer.token(tokenizer.eos), "bos_token": tokenizer.token(tokenizer.bos)}
    for key in ("bos_token", "unk_token", "pad_token"):
        value = tokenizer.config.get(key)
        named.setdefault(key, None)
        named[key] = named[key] or (value.get("content") if isinstance(value, dict) else value)
    return {key: value for key, value in named.items() if value}


def _probe(*turns: tuple[str, str]) -> list[dict[str, str]]:
    return [{"role": role, "content": content} for role, content in turns]


# Words that no template holds, so that what is found is the message's.
_PROBES = (
    _probe(("user", "Kwexo zub?"), ("assistant", "Vorpal mimsy.")),
    _probe(
        ("user", "Kwexo zub?"), ("assistant", "Vorpal mimsy."), ("user", "Brillig 7?"), ("assistant", "Tove\n\nrath.")
    ),
    _probe(("system", "Grimble."), ("user", "Kwexo zub?"), ("assistant", "Vorpal mimsy.")),
    _probe(("user", "Kwexo zub?"), ("assistant", "Gyre."), ("tool", "Wabe 12."), ("assistant", "Outgrabe.")),
)
