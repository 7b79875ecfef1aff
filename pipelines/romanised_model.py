"""Train the model by which the step `script` tells Indic languages in Latin letters: curate/assets/romanised/model.ftz.

    python pipelines/romanised_model.py ../shared/data curate/assets/romanised/model.ftz

There is little romanised text with a free licence, so text in Indic scripts is spelled in Latin letters the way people
type it: without diacritics, schwas dropped where they are not spoken, long vowels doubled or not. Everything else that is
written in Latin letters is the other class. One thread, fixed seeds: the same file on one machine.
"""

from __future__ import annotations

import gzip
import json
import random
import re
import sys
import tempfile
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import fasttext

SETS = (
    "udhr_articles_0_20",
    "xquad_contexts",
    "gnome_help_a",
    "libreoffice_help_hi_a",
    "ud_indic_sentences",
    "pud_news_sentences",
)
INDIC = ("as", "bn", "gu", "hi", "kn", "ml", "mr", "ne", "or", "pa", "ta", "te")
# schwas are not spoken at the end of words, nor between a vowel and another syllable
DROPPING = ("bn", "as", "gu", "hi", "mr", "ne", "pa")
VOWELS = {
    "A": "a", "I": "i", "U": "u", "E": "e", "O": "o", "AI": "ai", "AU": "au", "EE": "e", "OO": "o", "AA": "aa", "II": "ee", "UU": "oo",
    "VOCALIC R": "ri", "VOCALIC RR": "ri", "CANDRA E": "e", "CANDRA O": "o", "SHORT E": "e", "SHORT O": "o", "SHORT A": "a",
}  # fmt: skip
CONSONANTS = {
    "TT": "t", "TTH": "th", "DD": "d", "DDH": "dh", "NN": "n", "NNN": "n", "C": "ch", "CH": "chh", "NY": "ny", "SS": "sh", "LL": "l",
    "LLL": "zh", "RR": "r", "KHH": "kh", "GHH": "g", "DDDH": "d", "RH": "rh", "YY": "y", "Q": "q",
}  # fmt: skip
NASAL, END = {"ANUSVARA", "CANDRABINDU", "BINDI", "TIPPI"}, ("VIRAMA", "HALANTA")
# one word in three of a Hindi page about computers is English: the other class needs most of the text
EXAMPLES = 2500
SCHWA = "\u0259"


def romanised(text: str, code: str, rng: random.Random) -> str:
    """The text as somebody might type it, who spells in one way throughout."""
    made: list[str] = []
    for char in unicodedata.normalize("NFC", text):
        name = unicodedata.name(char, "").partition(" ")[2]
        kind, _, sound = name.partition("LETTER ")
        if "VOWEL SIGN " in name or any(sign in name for sign in END):
            if made and made[-1] == SCHWA:
                made.pop()
            made.append(VOWELS.get(name.partition("VOWEL SIGN ")[2], ""))
        elif char.isascii():
            made.append(char)
        elif kind == "" and sound in VOWELS:
            made.append(VOWELS[sound])
        elif kind == "" and sound.endswith("A"):
            made += [CONSONANTS.get(sound[:-1], sound[:-1].lower()), SCHWA]
        elif any(sign in name for sign in NASAL):
            made.append("n")
        elif "VISARGA" in name:
            made.append("h")
        elif "DIGIT " in name and char.isdigit():
            made.append(str(unicodedata.digit(char)))
        elif "DANDA" in name:
            made.append(".")
    spelled = "".join(made)
    if code in DROPPING:
        spelled = re.sub(rf"(?<=[a-z]{{2}}){SCHWA}(?![a-z{SCHWA}])", "", spelled)
        spelled = re.sub(
            rf"([aeiou][bcdfghjklmnpqrstvwxyz]h?){SCHWA}(?=[bcdfghjklmnpqrstvwxyz]h?[aeiou])", r"\1", spelled
        )
    spelled = spelled.replace(SCHWA, "o" if code in ("bn", "as") and rng.random() < 0.7 else "a")
    for long, short in (
        ("aa", "a"),
        ("ee", "i"),
        ("oo", "u"),
        ("v", "w"),
        ("chh", "ch"),
        ("ny", "n"),
        ("zh", "l"),
        ("sh", "s"),
    ):
        if rng.random() < (0.75 if long == "aa" else 0.5 if len(long) == 2 and long[0] == long[1] else 0.3):
            spelled = spelled.replace(long, short)
    return spelled


def chunks(text: str, rng: random.Random) -> Iterator[str]:
    """Parts of 5 to 40 words in lower case, without marks."""
    words = re.sub(r"[^\w\s']|\d", " ", text.lower()).split()
    while len(words) >= 5:
        size = rng.randint(5, 40)
        yield " ".join(words[:size])
        words = words[size:]


def examples(folder: Path) -> dict[str, list[str]]:
    """Label -> texts: every fifth row of each set is left for tests."""
    rng, found = random.Random(7), defaultdict(list)
    for name in SETS:
        with gzip.open(folder / "multilingual" / f"{name}.jsonl.gz") as file:
            for number, line in enumerate(file):
                row = json.loads(line)
                code, text = row["lang"].partition("-")[0], row["text"]
                if number % 5 == 0:
                    continue
                latin = sum("LATIN" in unicodedata.name(c, "") for c in text if c.isalpha()) / max(
                    1, sum(map(str.isalpha, text))
                )
                if latin > 0.9:
                    found["other"] += chunks(text, rng)
                elif code in INDIC:
                    for _ in range(2):
                        found[code] += chunks(romanised(text, code, rng), rng)
    for code, texts in found.items():
        rng.shuffle(texts)
        found[code] = texts[: EXAMPLES * (12 if code == "other" else 1)]
        # a language with little text is seen as often as the others
        found[code] *= max(1, EXAMPLES // (2 * len(texts)))
    return found


def main() -> None:
    folder, out = Path(sys.argv[1]), sys.argv[2]
    found = examples(folder)
    lines = [f"__label__{code} {text}" for code, texts in found.items() for text in texts]
    random.Random(11).shuffle(lines)
    print({code: len(texts) for code, texts in found.items()})
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(lines) + "\n")
        file.flush()
        model = fasttext.train_supervised(
            file.name,
            dim=16,
            minn=2,
            maxn=4,
            loss="hs",
            bucket=100_000,
            minCount=20,
            epoch=10,
            lr=0.3,
            thread=1,
            verbose=0,
        )
        model.quantize(file.name, cutoff=12_000, qnorm=True, retrain=False, thread=1, verbose=0)
    model.save_model(out)


if __name__ == "__main__":
    main()
