"""Filters whose bounds and word lists depend on the language of each document."""

from __future__ import annotations

import functools
import json
import re
import unicodedata
from collections.abc import Mapping
from importlib.resources import files
from typing import Any, Self

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, field_validator, model_validator

from curate.steps.bounds import Bound
from curate.steps.step import Filter, Signal

LANG = Signal(pa.string(), "the language that bounds and words were chosen by: `lang` of the document; or empty")


class ByLanguage(Filter):
    """A filter of which bounds may be given by language (`{min: 3, by: {ta: {min: 4}}}`), as some presets do.

    The language of each document (`lang`, as `language` or the input gives it) is then a signal of the step too, so that
    rules over it can be judged again from what is stored.
    """

    language: str = Field(
        "", description="the language of all documents, for what goes by language; empty: each document's own"
    )

    @field_validator("language")
    @classmethod
    def _code(cls, code: str) -> str:
        return canonical(code)

    @model_validator(mode="after")
    def _known_language(self) -> Self:
        chosen = getattr(self, "preset", [])
        presets = [chosen] if isinstance(chosen, str) else chosen
        known = any(self.language in bound.by for bound in self.all_bounds().values())
        if self.language and "fineweb2" in presets and not known:
            what = f"the preset fineweb2 has no bounds for `{self.language}`"
            raise ValueError(f"{what}; `curate transfer-bounds` makes some from a clean corpus")
        return self

    @property
    def by_language(self) -> bool:
        """Whether something is chosen by each document's own language."""
        return not self.language and any(bound.by for bound in self.all_bounds().values())

    def all_bounds(self) -> dict[str, Bound]:
        """The bounds for all languages."""
        return super().bounds()

    def bounds(self) -> dict[str, Bound]:
        """The bounds in force: for the one language, if it is set."""
        bounds = self.all_bounds()
        return {name: bound.of(self.language) for name, bound in bounds.items()} if self.language else bounds

    def signals(self) -> Mapping[str, Signal]:
        """The fixed signals, and `lang` if something goes by it."""
        return {**self.SIGNALS, "lang": LANG} if self.by_language else self.SIGNALS

    def fingerprint(self) -> dict[str, Any]:
        """As of every step; a bound is no part of it, the signal `lang` is."""
        return {**super().fingerprint(), "by_language": self.by_language}

    def languages(self, batch: pa.RecordBatch) -> pa.Array:
        """The canonical code of each document's language; empty for none."""
        if self.language:
            return pa.array([self.language] * batch.num_rows, pa.string())
        codes = pc.fill_null(batch.column("lang"), "").dictionary_encode()
        known = pa.array([canonical(code) for code in codes.dictionary.to_pylist()], pa.string())
        return known.take(codes.indices)

    def with_language(self, batch: pa.RecordBatch, **columns: Any) -> pa.RecordBatch:
        """`with_signals`, with `lang` if it is one of them."""
        own = {"lang": self.languages(batch)} if self.by_language else {}
        return self.with_signals(batch, **columns, **own)


@functools.cache
def released() -> dict[str, dict[str, Any]]:
    """FineWeb-2's settings: language -> `name` there, bounds of `repetition` and `quality`, `stop_words`."""
    return _asset("languages.json")


@functools.cache
def fineweb2() -> dict[str, dict[str, Any]]:
    """FineWeb-2's settings with what our words need beside: more stop words, a looser share of words with a letter.

    Source of the latter: `pipelines/language_words.py`.
    """
    made = {}
    own = _asset("own.json")
    for code, settings in released().items():
        more = own.get(code, {})
        quality = settings["quality"] | {k: v for k, v in more.items() if k in settings["quality"]}
        made[code] = settings | {"quality": quality, "stop_words": settings["stop_words"] + more.get("stop_words", [])}
    return made


def _asset(name: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = json.loads((files("curate") / "assets/fineweb2" / name).read_text("utf-8"))
    return found


def fineweb2_bounds(step: str) -> dict[str, Bound]:
    """The bounds by language that FineWeb-2 sets on signals of a step; for other languages there are none."""
    table: dict[str, dict[str, Bound]] = {}
    for code, settings in fineweb2().items():
        for signal, value in settings[step].items():
            low, high = value if isinstance(value, list) else (value, None) if signal in _LEAST else (None, value)
            table.setdefault(signal, {})[code] = Bound(min=low, max=high)
    return {signal: Bound(by=by) for signal, by in table.items()}


# signals on which FineWeb-2 has a lower bound
_LEAST = ("alpha_word_frac", "line_punct_frac")


@functools.cache
def canonical(code: str) -> str:
    """`pt-BR`, `hin_Deva`, `hin` -> `pt`, `hi`, `hi`: as `language` names them; an unknown code as it stands."""
    first = re.split("[-_]", unicodedata.normalize("NFC", code.strip().lower()), maxsplit=1)[0]
    return first if first in released() else _three_letters().get(first, first)


@functools.cache
def _three_letters() -> dict[str, str]:
    """ISO 639-3 code -> code of `language`. A macrolanguage has the code of its main member."""
    macro = {"zho": "zh", "ara": "ar", "fas": "fa", "pes": "fa", "nep": "ne", "ori": "or", "est": "et", "lav": "lv",
             "msa": "ms", "swa": "sw", "mlg": "mg", "mon": "mn", "uzb": "uz", "aze": "az", "kur": "ku", "pus": "ps",
             "sqi": "sq", "yid": "yi", "nor": "no", "grn": "gn", "que": "qu", "kok": "gom", "knn": "gom", "tgl": "tl"}  # fmt: skip
    return {settings["name"][:3]: code for code, settings in released().items() if code != "sh"} | macro
