import pytest
from hypothesis import given
from hypothesis import strategies as st

from email_core.text import decoded, has_control_character, nearest, without_control_characters

UNFIT = ["\0", "\t", "\n", "\r", "\x0b", "\x0c", "\x1b", "\x1c", "\x7f", "\x80", "\x85", "\u2028", "\u2029", "\ud800"]


@pytest.mark.parametrize("character", UNFIT)
def test_whatever_could_end_a_line_is_a_control_character(character):
    assert has_control_character(f"before{character}after")


@pytest.mark.parametrize("text", ["", "plain", "Grüße", "😀", "a\u00a0b", "a\u200bb", "日本語", "~ !\"#$%&'()*"])
def test_printable_text_has_none(text):
    assert not has_control_character(text)


@pytest.mark.parametrize("character", UNFIT)
def test_each_control_character_becomes_a_space(character):
    assert without_control_characters(f"{character}a{character}b{character}") == "a b"


@given(st.text())
def test_what_was_cleaned_has_no_control_character(text):
    assert not has_control_character(without_control_characters(text))


@pytest.mark.parametrize(
    ("header", "text"),
    [
        ("plain", "plain"),
        ("=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "Grüße"),
        ("=?utf-8?b?R3LDvMOfZQ==?= =?utf-8?q?_an?= alle", "Grüße an alle"),
        ("=?iso-8859-1?q?=FC?=", "ü"),
        ("=?utf-8?q?a=0D=0Ab?=", "a\r\nb"),
    ],
)
def test_encoded_words_are_read(header, text):
    assert decoded(header) == text


@pytest.mark.parametrize("header", ["=?idna?q?xn--?=", "=?undefined?q?a?=", "=?unicode_escape?q?\\ud800?="])
def test_encoded_words_in_no_charset_of_text_stay_as_they_are(header):
    assert decoded(header) == header


def test_a_text_that_would_take_seconds_to_decode_stays_as_it_is():
    header = "=?a?q?" + "=?a?q? " * 10_000 + "?="
    assert decoded(header) == header


@given(st.lists(st.sampled_from(["=?", "?=", "?q?", "?b?", "utf-8", "=", "=C3", "YQ", "?", " ", "\ud800", "é"])))
def test_whatever_looks_like_an_encoded_word_is_read_without_an_error(parts):
    decoded("".join(parts))


@pytest.mark.parametrize(
    ("name", "meant"),
    [("subjct", "subject"), ("Subject", "subject"), ("weather", None), ("", None), ("subject" * 50, None)],
)
def test_mistyped_name_is_taken_for_the_nearest_one(name, meant):
    assert nearest(name, ["text", "subject"]) == meant
