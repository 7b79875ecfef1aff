"""A text as the one line that a fastText model reads: the same function in training and in scoring."""

from __future__ import annotations

import html
import re
from typing import Literal, get_args

#: `plain`: line breaks become spaces, as in DCLM. `folded`: also lower case, punctuation apart from words, character
#: references read (`&amp;`), web addresses and user names as one word each.
Form = Literal["plain", "folded"]
FORMS: tuple[Form, ...] = get_args(Form)

# what fastText takes for the end of a word, and of a line
_BLANK = str.maketrans(dict.fromkeys("\n\r\t\v\f\0", " "))
_ADDRESS = re.compile(r"(?:https?://|www\.)\S+")
_USER = re.compile(r"(?<!\w)@\w+")
_MARK = re.compile(r"([^\w\s'\u2019])")


def line_of(text: str, form: Form) -> str:
    """The text on one line, in the form that the model was trained on; never a label or an end of line for fastText."""
    if form == "folded":
        text = html.unescape(text) if "&" in text else text
        text = _USER.sub(" user_name ", _ADDRESS.sub(" web_address ", text))
        text = " ".join(_MARK.sub(r" \1 ", text.lower()).split())
    line = text.translate(_BLANK)
    # words that fastText reads as a label of the document and as the end of the line
    if "__label__" in line:
        line = line.replace("__label__", "__label __")
    return line.replace("</s>", "< /s>") if "</s>" in line else line
