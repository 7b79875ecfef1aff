"""What the words of a text depend on beyond the code of the kernels."""

from __future__ import annotations


def word_assets() -> dict[str, str]:
    """The version of ICU, by whose dictionaries words of scripts without spaces are found."""
    import icu4py

    return {"icu": icu4py.icu_version}
