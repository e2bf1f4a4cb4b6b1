"""A window of reservations as one text, short enough for one property of a table entity, and back."""

import json
from itertools import accumulate, pairwise

from email_core.throttling import Window

LONGEST_TEXT = 32_000  # characters; a string property holds 32,767


def window_to_text(window: Window) -> str:
    """Each reservation's tick is told by how far it is from the one before: a few digits. Raises ValueError for a
    window that is too large, which no limit and no wait that may be set can make."""
    ticks, counts = zip(*window.reserved, strict=True) if window.reserved else ((), ())
    steps = [later - earlier for earlier, later in pairwise((0, *ticks))]
    values = {
        "reserved": [number for pair in zip(steps, counts, strict=True) for number in pair],
        "line": [window.issued, window.served, window.moved_at, window.spare, window.passed],
        "density": round(window.density, 4),
        "slowed": [round(window.slowed_to, 4), window.slowed_at],
        "stamps": window.stamps,
    }
    text = json.dumps(values, separators=(",", ":"))
    if len(text) > LONGEST_TEXT:
        raise ValueError(f"a window of {len(text)} characters")
    return text


def window_from_text(text: str) -> Window:
    values = json.loads(text)
    steps, counts = values["reserved"][::2], values["reserved"][1::2]
    issued, served, moved_at, spare, *passed = values["line"]
    slowed_to, slowed_at = values["slowed"]
    return Window(
        reserved=tuple(zip(accumulate(steps), counts, strict=True)),
        issued=issued,
        served=served,
        moved_at=moved_at,
        spare=spare,
        passed=sum(passed),
        density=values.get("density", 1.0),
        slowed_to=slowed_to,
        slowed_at=slowed_at,
        stamps=tuple(values["stamps"]),
    )
