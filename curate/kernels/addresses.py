"""Memory-mapped buffers by their address: one kernel reads the columns of thousands of files without a list of arrays.

numba has no cheap list of arrays. So a table of addresses goes into the kernel, which views each as a pointer. Who makes
the table keeps the buffers alive and has checked their sizes: nothing is checked here.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from numba import types
from numba.extending import intrinsic


def address_of(buffer: pa.Buffer | None) -> int:
    """Where a buffer begins; 0 for none."""
    return 0 if buffer is None else int(buffer.address)


def _pointer_to(item: Any) -> Any:
    kind: Any = types.CPointer(item)  # type: ignore[no-untyped-call]

    @intrinsic  # type: ignore[untyped-decorator]
    def pointer(typing_context: Any, address: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

        return kind(types.int64), generate

    return pointer


int64_at = _pointer_to(types.int64)
int32_at = _pointer_to(types.int32)
uint8_at = _pointer_to(types.uint8)
uint16_at = _pointer_to(types.uint16)
uint32_at = _pointer_to(types.uint32)
