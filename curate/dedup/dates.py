"""Dates of documents as numbers that can be ordered."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

DATE = (
    r"^\s*(?P<day>\d{4}-\d{2}-\d{2})(?:[T ](?P<time>\d{2}:\d{2}(?::\d{2})?)(?:\.\d+)?\s?(?P<zone>[+-]\d{2}:?\d{2})?)?"
)


def seconds(date: pa.Array) -> pa.Array:
    """Dates as they stand in records -> seconds since 1970, int64; null where none is understood.

    Years, months and days are read, with hours, minutes and seconds if they are there, and a zone such as +02:00.
    """
    parts = pc.extract_regex(date, DATE)
    value = {name: pc.struct_field(parts, name) for name in ("day", "time", "zone")}
    stamp = pc.binary_join_element_wise(value["day"], pc.if_else(_empty(value["time"]), "00:00:00", value["time"]), "T")
    stamp = pc.if_else(pc.equal(pc.utf8_length(stamp), 16), pc.binary_join_element_wise(stamp, ":00", ""), stamp)
    parsed = pc.strptime(stamp, format="%Y-%m-%dT%H:%M:%S", unit="s", error_is_null=True).cast(pa.int64())
    zone = pc.if_else(_empty(value["zone"]), "+00:00", value["zone"])
    minutes = pc.add(
        pc.multiply(pc.utf8_slice_codeunits(zone, 1, 3).cast(pa.int64()), 60),
        pc.utf8_slice_codeunits(zone, -2).cast(pa.int64()),
    )
    sign = pc.if_else(pc.starts_with(zone, "-"), -60, 60)
    return pc.subtract(parsed, pc.multiply(sign, minutes))


def _empty(text: pa.Array) -> pa.Array:
    return pc.equal(text, "")
