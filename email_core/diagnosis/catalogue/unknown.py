"""What is said of an answer that nothing in the catalogue fits: no more than the class of its code says."""

from email_core.diagnosis.model import Category, Retry, Section, entry

UNKNOWN, UNKNOWN_PERMANENT, UNKNOWN_TRANSIENT = "unknown", "unknown-permanent", "unknown-transient"

_FIX = (
    "Read the answer's own words. `POST /api/test-email` shows at which step it comes. Whoever runs the server that "
    "gave it can say more."
)

SECTION = Section(
    title="Unknown answers",
    entries=(
        entry(
            UNKNOWN_PERMANENT,
            Category.UNKNOWN,
            Retry.NO,
            "Refused for a reason that is not known here",
            "The code says that trying again changes nothing; the rest is kept as it was received.",
            _FIX,
        ),
        entry(
            UNKNOWN_TRANSIENT,
            Category.UNKNOWN,
            Retry.SOON,
            "Deferred for a reason that is not known here",
            "The code says that it may work later; the rest is kept as it was received.",
            _FIX,
        ),
        entry(
            UNKNOWN,
            Category.UNKNOWN,
            Retry.SOON,
            "An answer that is not known here",
            "It has no code that says whether trying again helps. It is kept as it was received.",
            _FIX,
        ),
    ),
)
