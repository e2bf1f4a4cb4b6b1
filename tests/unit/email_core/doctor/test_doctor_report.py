import json

from email_core.doctor.finding import Section, failed, ok, warning
from email_core.doctor.report import as_json, as_text

SECTIONS = [
    Section("SMTP", (ok("resolve", "203.0.113.7"), failed("auth", "535 wrong", "Enter it."))),
    Section("Timers", (warning("timer one", "never ran", "Start it."), warning("timer two", "never ran", "Start it."))),
]


def test_text_is_grouped_and_aligned_and_says_a_fix_once():
    assert as_text(SECTIONS) == (
        "SMTP\n"
        "  ok       resolve    203.0.113.7\n"
        "  failed   auth       535 wrong\n"
        "                      -> Enter it.\n"
        "\n"
        "Timers\n"
        "  warning  timer one  never ran\n"
        "  warning  timer two  never ran\n"
        "                      -> Start it.\n"
        "\n"
        "1 failed, 2 warnings.\n"
    )


def test_text_is_wrapped_to_the_terminal_under_its_own_beginning():
    section = Section(
        "SMTP", (failed("auth", "535 5.7.8 authentication failed", "Enter the password anew, then try."),)
    )
    assert as_text([section], 42) == (
        "SMTP\n"
        "  failed   auth  535 5.7.8 authentication\n"
        "                 failed\n"
        "                 -> Enter the password\n"
        "                    anew, then try.\n"
        "\n"
        "1 failed, 0 warnings.\n"
    )


def test_fix_is_told_to_its_end():
    fix = "See the network. " * 30
    assert fix.strip() in as_text([Section("SMTP", (failed("connect", "refused", fix),))])


def test_text_without_findings_that_matter_says_so():
    assert as_text([Section("SMTP", (ok("resolve", "203.0.113.7"),))]).endswith("\nAll is well.\n")


def test_json_has_the_same_and_counts_it():
    body = json.loads(as_json(SECTIONS))
    assert body["counts"] == {"ok": 1, "warning": 2, "failed": 1, "skipped": 0}
    assert body["sections"][0]["title"] == "SMTP"
    assert body["sections"][0]["findings"][1] == {
        "verdict": "failed",
        "what": "auth",
        "detail": "535 wrong",
        "fix": "Enter it.",
    }
