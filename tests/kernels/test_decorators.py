"""What only kernels call has no way in from Python, and says so; a constant is a number like others."""

from __future__ import annotations

from typing import Any, cast

import pytest

from curate.kernels import entry, loop


@loop
def twice(number: int) -> int:
    return 2 * number


@entry
def five_times() -> int:
    return twice(1) + twice(2) + twice(2)


def test_a_loop_is_called_by_kernels_alone_and_compiled_once_for_all_constants() -> None:
    assert five_times() == 10
    with pytest.raises(TypeError, match="twice can be called by kernels alone"):
        twice(1)
    # none where the machine's cache has what calls it
    assert len(cast(Any, twice).signatures) <= 1
