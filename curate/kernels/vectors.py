"""Many bytes in one step: vector operations that numba cannot make of a loop that may end early.

Written as LLVM vectors of 32 bytes, which every processor has in one piece or another. Whoever calls sees to it that the
bytes are there: nothing here knows where an array ends.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba import extending
from numba import types as numba_types
from numba.core import cgutils

# what numba makes of such a function is called with the arguments behind the first
intrinsic: Any = extending.intrinsic
types: Any = numba_types
pack: Any = cgutils.pack_array
#: how many bytes one step reads
WIDTH = 32
_BYTE, _MASK, _LONG = ir.IntType(8), ir.IntType(WIDTH), ir.IntType(64)
_VECTOR, _EIGHT = ir.VectorType(_BYTE, WIDTH), ir.VectorType(_BYTE, 8)


def _load(context: Any, builder: Any, array: tuple[Any, Any], at: Any, kind: Any) -> Any:
    """The bytes of `array` (its type, its value) from `at` on, as a value of type `kind`."""
    data = context.make_array(array[0])(context, builder, array[1]).data
    return builder.load(builder.bitcast(builder.gep(data, [at]), kind.as_pointer()), align=1)


def _any_of(builder: Any, vector: Any, wanted: Sequence[int | tuple[int, int]]) -> Any:
    """Which bytes are one of the wanted, or in one of the wanted ranges (both ends included)."""
    width = vector.type.count
    found: Any = ir.Constant(ir.VectorType(ir.IntType(1), width), [0] * width)
    for one in wanted:
        first, last = one if isinstance(one, tuple) else (one, one)
        moved = builder.sub(vector, _splat(first, width)) if first else vector
        found = builder.or_(found, builder.icmp_unsigned("<=", moved, _splat(last - first, width)))
    return found


def _splat(value: int, width: int) -> Any:
    return ir.Constant(ir.VectorType(_BYTE, width), [value] * width)


def _first(builder: Any, found: Any) -> Any:
    """The number of the first that is set, or how many there are, as int64."""
    mask = builder.bitcast(found, ir.IntType(found.type.count))
    return builder.zext(builder.cttz(mask, ir.Constant(ir.IntType(1), 0)), _LONG)


@intrinsic
def bytes_before(typing: Any, data: Any, at: Any, wanted: Any) -> Any:
    """How many of the WIDTH bytes from `at` are before the first that is `wanted`: WIDTH if none is."""

    def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        vector = _load(context, builder, (signature.args[0], values[0]), values[1], _VECTOR)
        one = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), values[2], ir.Constant(ir.IntType(32), 0))
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), [0] * WIDTH)
        return _first(builder, builder.icmp_unsigned("==", vector, builder.shuffle_vector(one, one, zeros)))

    return types.int64(data, types.int64, types.uint8), code


@intrinsic
def name_length(typing: Any, eight: Any) -> Any:
    """How many of eight bytes are before the first that ends the name of a tag or an attribute: white space, `/`, `=` or `>`."""

    def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return _first(builder, _any_of(builder, builder.bitcast(values[0], _EIGHT), ((0, 32), 47, 61, 62)))

    return types.int64(types.uint64), code


@intrinsic
def copy_plain(typing: Any, data: Any, at: Any, out: Any, to: Any) -> Any:
    """Copy WIDTH bytes of text from `data[at:]` to `out[to:]`; how many of them need no more than that. Reads WIDTH + 1.

    Those from the first on do that may be white space other than one blank before a character, a control character, `&`,
    `<`, or the first byte of a blank, a control character or a byte order mark beyond ASCII.
    """

    def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        array, at = (signature.args[0], values[0]), values[1]
        here = _load(context, builder, array, at, _VECTOR)
        behind = _load(context, builder, array, builder.add(at, ir.Constant(_LONG, 1)), _VECTOR)
        room = context.make_array(signature.args[2])(context, builder, values[2]).data
        place = builder.bitcast(builder.gep(room, [values[3]]), _VECTOR.as_pointer())
        builder.store(here, place, align=1)
        special = _any_of(builder, here, ((0, 31), 38, 60, 127))
        for lead, following in ((0xC2, (0x80, 0xA0)), (0xE2, (0x80, 0x81)), (0xE3, 0x80), (0xEF, 0xBB)):
            pair = builder.and_(_any_of(builder, here, (lead,)), _any_of(builder, behind, (following,)))
            special = builder.or_(special, pair)
        blank = _any_of(builder, here, (32,))
        unlike = builder.bitcast(builder.or_(special, blank), _MASK)
        # a blank is plain if a plain character is next; the one behind the last byte is taken for none
        before = builder.lshr(unlike, ir.Constant(_MASK, 1))
        before = builder.or_(before, ir.Constant(_MASK, 1 << WIDTH - 1))
        stops = builder.or_(builder.bitcast(special, _MASK), builder.and_(builder.bitcast(blank, _MASK), before))
        return builder.zext(builder.cttz(stops, ir.Constant(ir.IntType(1), 0)), _LONG)

    return types.int64(data, types.int64, out, types.int64), code


@intrinsic
def copy_all(typing: Any, data: Any, at: Any, out: Any, to: Any) -> Any:
    """Copy WIDTH bytes from `data[at:]` to `out[to:]`."""

    def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        here = _load(context, builder, (signature.args[0], values[0]), values[1], _VECTOR)
        room = context.make_array(signature.args[2])(context, builder, values[2]).data
        builder.store(here, builder.bitcast(builder.gep(room, [values[3]]), _VECTOR.as_pointer()), align=1)
        return ir.Constant(_LONG, WIDTH)

    return types.int64(data, types.int64, out, types.int64), code


@intrinsic
def ones(typing: Any, mask: Any) -> Any:
    """How many bits of a mask are set."""

    def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.ctpop(values[0])

    return types.uint64(types.uint64), code


def marks(*wanted: Sequence[int | tuple[int, int]]) -> Callable[..., Any]:
    """A function of (data, at) -> masks of the WIDTH bytes from `at`, one for each set of wanted bytes, first byte lowest."""

    @intrinsic
    def masks(typing: Any, data: Any, at: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            vector = _load(context, builder, (signature.args[0], values[0]), values[1], _VECTOR)
            found = [builder.zext(builder.bitcast(_any_of(builder, vector, one), _MASK), _LONG) for one in wanted]
            return pack(builder, found)

        return types.UniTuple(types.uint64, len(wanted))(data, types.int64), code

    return masks


def before_any(wanted: Sequence[int | tuple[int, int]]) -> Callable[..., Any]:
    """A function of (data, at) -> how many of the WIDTH bytes from `at` are before the first wanted one: WIDTH if none is."""

    @intrinsic
    def before(typing: Any, data: Any, at: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            vector = _load(context, builder, (signature.args[0], values[0]), values[1], _VECTOR)
            return _first(builder, _any_of(builder, vector, wanted))

        return types.int64(data, types.int64), code

    return before
