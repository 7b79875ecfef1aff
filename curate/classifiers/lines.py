"""A text as the one line that a fastText model reads: a text at a time for training, columns for scoring, the same words."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Literal, get_args

import pyarrow as pa
import pyarrow.compute as pc

from curate.text import buffers, from_buffers

#: `plain`: line breaks become spaces, as in DCLM. `folded`: also lower case, punctuation apart from words, character
#: references read (`&amp;`), web addresses and user names as one word each.
Form = Literal["plain", "folded"]
FORMS: tuple[Form, ...] = get_args(Form)

# what fastText takes for the end of a word, and of a line
_BLANK = str.maketrans(dict.fromkeys("\n\r\t\v\f\0", " "))
_ADDRESS = re.compile(r"(?:https?://|www\.)\S+")
_USER = re.compile(r"(?<!\w)@\w+")
_MARK = re.compile(r"([^\w\s'\u2019])")
_LABEL = re.compile("__label(?=__)")
# letters whose lower case is more than one character, or depends on what stands around them
_UNUSUAL = "[\u0130\u03a3]"


def line_of(text: str, form: Form) -> str:
    """The text on one line, in the form that the model was trained on; never a label or an end of line for fastText."""
    if form == "folded":
        text = _folded(html.unescape(text) if "&" in text else text)
    line = text.translate(_BLANK)
    # words that fastText reads as a label of the document and as the end of the line
    if "__label__" in line:
        line = _LABEL.sub("__label ", line)
    return line.replace("</s>", "< /s>") if "</s>" in line else line


def _folded(text: str) -> str:
    text = _USER.sub(" user_name ", _ADDRESS.sub(" web_address ", text))
    return " ".join(_MARK.sub(r" \1 ", text.lower()).split())


def lines_of(text: pa.Array, form: Form) -> pa.Array:
    """A string array -> its lines, for a kernel that takes line breaks for blanks and cuts labels itself; null is empty."""
    if form == "plain":
        return text
    from curate.kernels.folded_lines import fold

    text = _replaced(pc.fill_null(text, ""), "&", html.unescape)
    text = _replaced(text, _UNUSUAL, _folded)
    return from_buffers(*fold(*buffers(text)))


def _replaced(text: pa.Array, pattern: str, change: Callable[[str], str]) -> pa.Array:
    """The texts with those that match the pattern changed."""
    matches = pc.match_substring_regex(text, pattern)
    if not pc.any(matches).as_py():
        return text
    changed = [change(value) for value in text.filter(matches).to_pylist()]
    return pc.replace_with_mask(text, matches, pa.array(changed, pa.string()))
