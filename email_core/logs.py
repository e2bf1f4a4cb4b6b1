"""Words of a log. Of an error it may be said: its kind and where it was raised, never its words, which may be anything
that a caller or a mail server sent."""

import traceback


def counted(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def where(error: BaseException) -> str:
    """`KeyError at mime.py:12 build_mime < composer.py:80 prepare; from ValueError at ...`: innermost call first."""
    told: list[str] = []
    link: BaseException | None = error
    while link is not None and len(told) < 5:
        calls = reversed(traceback.extract_tb(link.__traceback__)[-8:])
        steps = " < ".join(f"{call.filename.rpartition('/')[2]}:{call.lineno} {call.name}" for call in calls)
        told.append(f"{type(link).__name__} at {steps}" if steps else type(link).__name__)
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return "; from ".join(told)
