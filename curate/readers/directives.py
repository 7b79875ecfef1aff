"""Lines of an archived HTTP header that say what may be done with the page."""

from __future__ import annotations

from collections.abc import Iterable

# X-Robots-Tag of search engines (with `noai` as an informal addition), TDM Reservation Protocol of the W3C group.
HEADERS = ("x-robots-tag", "tdm-reservation", "tdm-policy")


def directives(header: Iterable[tuple[str, str]]) -> str | None:
    """These lines of a header as `name: value`, names in lower case; None where there are none."""
    found = [f"{name}: {value.strip()}" for key, value in header if (name := key.strip().lower()) in HEADERS]
    return "\n".join(found) or None
