"""Folders of Hugging Face datasets: what `save_to_disk` wrote, and the library's cache; their Arrow files by split."""

from __future__ import annotations

import json
import os
import re
from typing import Any, NamedTuple

INFO, STATE, SPLITS = "dataset_info.json", "state.json", "dataset_dict.json"
_SHARD = re.compile(r"(?:-\d{5}-of-\d{5})?\.arrow$")
# what the library keeps beside a dataset: results of `map` and `filter`, and what it was writing when it stopped
_DERIVED = ("cache-", "tmp", "indices-")


class SplitFile(NamedTuple):
    """One Arrow file of a dataset, and the split that it belongs to; empty for a dataset that names none."""

    split: str
    path: str


def dataset_files(folder: str) -> list[SplitFile]:
    """The Arrow files of all datasets in the folder, in the order of their splits and shards; empty if there is none.

    Files that a dataset names and that are not there are listed too: reading them tells it.
    """
    found: list[SplitFile] = []
    for place, folders, names in os.walk(folder):
        folders.sort()
        if SPLITS in names:
            splits = _json(place, SPLITS).get("splits")
            folders[:] = [split for split in splits if isinstance(split, str)] if isinstance(splits, list) else folders
        elif STATE in names:
            found += _saved(place, os.path.basename(place) if _in_splits(place) else "")
            folders.clear()
        elif INFO in names:
            found += _cached(place, names)
    return found


def _in_splits(place: str) -> bool:
    return os.path.exists(os.path.join(os.path.dirname(place), SPLITS))


def _saved(place: str, split: str) -> list[SplitFile]:
    """The files that the state of a saved dataset names, in order."""
    state = _json(place, STATE)
    split = split or str(state.get("_split") or "")
    files = state.get("_data_files") or []
    return [SplitFile(split, os.path.join(place, str(file["filename"]))) for file in files if "filename" in file]


def _cached(place: str, names: list[str]) -> list[SplitFile]:
    """The files NAME-SPLIT.arrow, or NAME-SPLIT-00000-of-00002.arrow, of the splits that the description names."""
    splits = _json(place, INFO).get("splits")
    found = []
    for split in splits if isinstance(splits, dict) else ():
        for name in sorted(names):
            if _SHARD.sub("", name).endswith(f"-{split}") and name.endswith(".arrow") and not name.startswith(_DERIVED):
                found.append(SplitFile(split, os.path.join(place, name)))
    return found


def _json(place: str, name: str) -> dict[str, Any]:
    try:
        with open(os.path.join(place, name), encoding="utf-8") as file:
            found = json.load(file)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
