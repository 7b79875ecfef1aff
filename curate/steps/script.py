"""`script`: which scripts a text is written in, and whether it is an Indic language in Latin letters."""

from __future__ import annotations

import functools
import hashlib
import unicodedata
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, field_validator

from curate.steps.step import Bound, Filter, Signal, bounded
from curate.text import buffers

if TYPE_CHECKING:
    from curate.kernels.fasttext import Model

#: scripts counted together: the kana and ideographs of Japanese, and those of the 22 scheduled languages of India
GROUPS = {
    "Jpan": ["Hani", "Hira", "Kana"],
    "Indic": ["Deva", "Beng", "Guru", "Gujr", "Orya", "Taml", "Telu", "Knda", "Mlym", "Olck", "Mtei", "Arab"],
}
# Japanese is written with so many kana among its ideographs, Chinese with none
LEAST_KANA = 0.05


@bounded
class Script(Filter):
    """Count the letters of a text by script: the main one, its share, and the share of any other that you name.

    A text of which more than half the letters are Latin is also asked whether it is Hindi, Bengali, Marathi, Nepali,
    Gujarati, Punjabi, Tamil, Telugu, Kannada or Malayalam spelled in Latin letters (the signal `romanised`): lid.176 takes
    most of it for English, Dutch or Spanish. The model is small and was trained on text that a program had spelled so; of
    real Hindi it finds three sentences in four, of other languages it takes one in 500 for romanised.
    """

    kind: ClassVar[str] = "script"
    version: ClassVar[int] = 2
    source: ClassVar[str] = (
        "Unicode Standard Annex 24 (scripts, by character names); ISO 15924 codes; romanised above half Latin as in Setu "
        "(arXiv 2403.06350); model by pipelines/romanised_model.py"
    )
    SIGNALS: ClassVar[Mapping[str, Signal]] = {
        "letters": Signal(pa.int32(), "letters and combining marks"),
        "script": Signal(
            pa.string(), "the script of most of them, ISO 15924 (Jpan for kana with ideographs); or empty"
        ),
        "share": Signal(pa.float64(), "letters of that script / letters"),
        "scripts": Signal(pa.int32(), "scripts that more than 5 % of the letters belong to"),
        "romanised": Signal(pa.string(), "the Indic language that is written in Latin letters, ISO 639; or empty"),
        "romanised_score": Signal(pa.float32(), "its probability, 0 to 1"),
    }
    PRESETS: ClassVar[Mapping[str, Mapping[str, Bound]]] = {"none": {}, "pure": {"share": Bound(min=0.95)}}

    preset: str = Field("none", description="none; pure: at least 95 % of the letters in one script")
    ratios: list[str] = Field(
        ["Latn"],
        description="scripts, each of which is a signal `NAME_share` for rules; also the groups Jpan and Indic "
        "(the scripts of India's scheduled languages, Arabic among them)",
    )
    keep: list[str] = Field([], description="main scripts to keep; empty for all")
    RULE_FIELDS: ClassVar[frozenset[str]] = frozenset({"preset", "rules", "keep"})

    @field_validator("ratios", "keep")
    @classmethod
    def _known(cls, codes: list[str]) -> list[str]:
        from curate.kernels.script_names import SCRIPTS

        if strange := [code for code in codes if code not in SCRIPTS and code not in GROUPS]:
            raise ValueError(
                f"unknown script {', '.join(strange)}; ISO 15924 codes such as Latn, Deva, Hani, Cyrl, Arab"
            )
        return codes

    def signals(self) -> Mapping[str, Signal]:
        """The fixed signals, and one for each of `ratios`."""
        ratios = {f"{code}_share": Signal(pa.float64(), f"letters of {code} / letters") for code in self.ratios}
        return {**self.SIGNALS, **ratios}

    def rule_table(self) -> dict[str, str]:
        """The scripts to keep, then the bounds."""
        codes = ", ".join(f"'{code}'" for code in self.keep)
        scripts = {"script": f"{self.name}.script IN ({codes})"} if self.keep else {}
        return scripts | super().rule_table()

    def assets(self) -> dict[str, str]:
        """The version of the Unicode database that names the characters, and the hash of the model."""
        return {"unicode": unicodedata.unidata_version, "romanised": _hash(str(_MODEL))}

    def process(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Adds the signals; a null text is an empty one."""
        from curate.kernels.script_names import SCRIPTS
        from curate.kernels.scripts import script_counts

        counts = script_counts(*buffers(batch.column("text")))
        letters = counts.sum(axis=1)
        total = np.maximum(letters, 1)
        share = {code: counts[:, place] / total for place, code in enumerate(SCRIPTS)}
        share |= {group: sum(share[code] for code in codes) for group, codes in GROUPS.items()}
        kana = share["Hira"] + share["Kana"]
        japanese = kana > LEAST_KANA * share["Jpan"]
        main = counts.argmax(axis=1)
        # Chinese with a Japanese name stays Chinese
        japanese &= np.isin(main, [SCRIPTS.index(code) for code in GROUPS["Jpan"]])
        names = np.array(SCRIPTS, object)[main]
        language, score = _romanised(batch.column("text"), share["Latn"] > 0.5)
        return self.with_signals(
            batch,
            letters=letters,
            script=np.where(letters > 0, np.where(japanese, "Jpan", names), ""),
            share=np.where(japanese, share["Jpan"], counts.max(axis=1) / total),
            romanised=language,
            romanised_score=score,
            scripts=(counts > 0.05 * letters[:, None]).sum(axis=1),
            **{f"{code}_share": share[code] for code in self.ratios},
        )


# Characters and bytes of a text that the model sees.
_BEGINNING, _SAMPLE = 2000, 1024
_MODEL = Path(str(files("curate") / "assets" / "romanised" / "model.ftz"))


def _romanised(text: pa.Array, latin: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(the romanised language of each text or an empty name, its probability); only those `latin` are looked at."""
    from curate.kernels.fasttext import classify

    names, scores = np.full(len(text), "", object), np.zeros(len(text), np.float32)
    rows = np.flatnonzero(latin)
    if len(rows):
        model, labels = _model(str(_MODEL))
        begins = pc.utf8_lower(pc.utf8_slice_codeunits(text.take(pa.array(rows)), 0, _BEGINNING))
        # the model was trained on words alone
        found = classify(*buffers(pc.replace_substring_regex(begins, r"[^\p{L}\p{M}']+", " ")), model, _SAMPLE)
        known = np.array(["", *("" if label == "other" else label for label in labels)], object)
        names[rows] = known[found.label + 1]
        scores[rows] = np.where(names[rows] != "", found.score, np.float32(0))
    return names, scores


@functools.cache
def _model(path: str) -> tuple[Model, list[str]]:
    """(the model, its labels)."""
    from curate.kernels.fasttext import load

    return load(Path(path))


@functools.cache
def _hash(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()
