from email_core.logs import where


def fail(words: str) -> None:
    raise KeyError(words)


def caught() -> BaseException:
    try:
        try:
            fail("bob@example.com")
        except KeyError as cause:
            raise ValueError("secret") from cause
    except ValueError as error:
        return error


def test_error_is_told_by_kind_and_place_and_without_its_words():
    told = where(caught())
    assert told.startswith("ValueError at test_logs.py:")
    assert "; from KeyError at test_logs.py:5 fail < test_logs.py:" in told
    assert "bob" not in told
    assert "secret" not in told


def test_error_that_was_never_raised_is_told_by_its_kind():
    assert where(ValueError("secret")) == "ValueError"
