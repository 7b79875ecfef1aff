"""What becomes of the tokens: padded, cut off, dropped, never predicted; how often each source is seen."""

from __future__ import annotations

import time

from curate.train.check.finding import Finding, Subject

# The plan of so many steps is looked at, or of as many as fit into this time.
STEPS, SECONDS, AT_ONCE = 5000, 3.0, 50
# More than these shares are told; more than MOST of the tokens lost is an error.
PADDED, LOST, MOST = 0.1, 0.1, 0.5
# Muennighoff et al. 2023 (arXiv 2305.16264): up to four epochs are nearly as good as new data.
EPOCHS = 4


def check_lengths(subject: Subject) -> Finding:
    """By the plan of the real steps, no token read."""
    settings, loader = subject.settings, subject.loader
    begun = time.monotonic()
    wanted = min(STEPS, settings.steps)
    while loader.step < wanted and time.monotonic() - begun < SECONDS:
        loader.seek(min(wanted, loader.step + AT_ONCE))
    report = loader.report()
    total, steps = report["total"], loader.step
    drawn = max(1, total["placed"] + total["cropped"] + total["dropped"])
    padded, lost = total["padded"] / max(1, total["slots"]), (total["cropped"] + total["dropped"]) / drawn
    epochs = {name: held["epochs"] * settings.steps / steps for name, held in report["sources"].items()}
    lines = tuple(
        f"{name}: {epochs[name]:.2f} epochs, {held['pieces']:,} pieces of {held['documents']:,} documents"
        for name, held in sorted(report["sources"].items(), key=lambda item: -epochs[item[0]])[:20]
    )
    what = (
        f"{steps:,} of {settings.steps:,} steps planned: padding {padded:.1%} of all places, cut off {total['cropped'] / drawn:.1%} "
        f"and dropped {total['dropped'] / drawn:.1%} of the tokens, never predicted {total['never_predicted'] / drawn:.1%}"
    )
    if subject.moving:
        what += f"; {subject.moving}"
    mends = []
    if padded > PADDED:
        mends.append("packing: concatenate" if settings.packing == "best_fit" else "a smaller context")
    if lost > LOST:
        mends.append("long: split, or a larger context")
    if often := [name for name, seen in epochs.items() if seen > EPOCHS]:
        what += f"; {', '.join(often[:5])} is seen more than {EPOCHS} times"
        mends.append("fewer steps, more data, or another mixture")
    state = "broken" if max(padded, lost) > MOST else "note" if mends else "ok"
    return Finding("lengths", state, what, "; ".join(mends), lines)  # type: ignore[arg-type]
