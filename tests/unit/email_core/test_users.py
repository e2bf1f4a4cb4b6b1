import pytest

from email_core.users import UserOptions, checked_user_id, user_key

# ---- ids


@pytest.mark.parametrize(
    "text",
    [
        "ann",
        "Ann.Miller",
        "ann@contoso.com",
        "o'neil+x@contoso.com",
        "7",
        "00000000-0000-0000-0000-000000000001",
        "王",
        "x" * 128,
    ],
)
def test_id_is_of_letters_digits_and_a_few_signs(text):
    assert checked_user_id(text) == text


@pytest.mark.parametrize(
    "text",
    ["", " ", "a b", "a/b", "a\\b", "a#b", "a?b", "a%b", ".", "..", "-a", "a\n", "a\0", "🌍", "x" * 129, "\udc80"],
)
def test_id_that_a_path_or_a_table_reads_otherwise_is_refused(text):
    with pytest.raises(ValueError, match="is no user id"):
        checked_user_id(text)


@pytest.mark.parametrize("text", ["me", "ME"])
def test_nobody_is_called_as_the_caller_s_own_user(text):
    with pytest.raises(ValueError, match="another id"):
        checked_user_id(text)


def test_ids_that_look_the_same_have_one_key():
    assert user_key("JU\u0308RGEN") == user_key("jürgen") != user_key("jurgen")


# ---- what is remembered of a choice (facts/dynamics, "How would you like to send email")


@pytest.mark.parametrize(
    ("before", "choice", "after"),
    [
        ({}, "graph", {"last_choice": "graph"}),
        ({"last_choice": "smtp"}, "graph", {"last_choice": "graph"}),
        ({"last_choice": "smtp"}, "eml", {"last_choice": "eml"}),
        ({"ask_again": False}, "graph", {"ask_again": False, "provider": "graph"}),
        ({"ask_again": False, "last_choice": "smtp"}, "graph", {"ask_again": False, "provider": "graph"}),
        ({"provider": "smtp"}, "graph", {"provider": "smtp"}),
        ({"provider": "smtp", "ask_again": False}, "graph", {"provider": "smtp", "ask_again": False}),
    ],
)
def test_choice_is_kept_for_good_with_the_tick_and_until_it_is_reset_without(before, choice, after):
    assert UserOptions(**before).after_choice(choice) == UserOptions(**after)


@pytest.mark.parametrize(
    ("before", "changes", "after"),
    [
        ({"last_choice": "graph"}, {"provider": None}, {}),
        ({"provider": "graph"}, {"provider": None}, {}),
        ({"last_choice": "graph"}, {"provider": "smtp"}, {"provider": "smtp"}),
        ({"last_choice": "graph"}, {"ask_again": False}, {"ask_again": False, "provider": "graph"}),
        ({"last_choice": "graph"}, {"ask_again": False, "provider": None}, {"ask_again": False}),
        ({"provider": "smtp", "ask_again": False}, {"ask_again": True}, {"provider": "smtp"}),
        ({}, {"ask_again": False}, {"ask_again": False}),
        (
            {"last_choice": "graph"},
            {"workflow_notifications": True},
            {"last_choice": "graph", "workflow_notifications": True},
        ),
        ({"sender": "a@b.c"}, {"sender": None}, {}),
    ],
)
def test_change_of_options_resets_what_was_remembered_or_keeps_it_for_good(before, changes, after):
    assert UserOptions(**before).changed(changes) == UserOptions(**after)


@pytest.mark.parametrize(
    ("options", "chosen"),
    [({}, None), ({"last_choice": "smtp"}, "smtp"), ({"provider": "graph", "last_choice": "smtp"}, "graph")],
)
def test_choice_for_good_goes_before_the_last_one(options, chosen):
    assert UserOptions(**options).chosen == chosen
