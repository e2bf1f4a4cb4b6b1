import pytest

from email_core.errors import InvalidEmail
from email_core.users import UserRow
from email_functions import users_csv
from email_functions.users_csv import users_of_csv

ANN = UserRow("ann", {"name": "Ann", "email": "ann@contoso.com"})


@pytest.mark.parametrize(
    "text",
    [
        "id,name,email\nann,Ann,ann@contoso.com\n",
        "ID;Name;EMAIL\r\nann;Ann;ann@contoso.com\r\n",
        "id\tname\temail\nann\tAnn\tann@contoso.com",
        "\ufeffemail, id ,name\n ann@contoso.com , ann , Ann \n\n , , \n",
        '"id","name","email"\n"ann","Ann","ann@contoso.com"\n',
    ],
)
def test_file_is_read_as_spreadsheets_write_it(text):
    assert users_of_csv(text.encode()) == [ANN]


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        ("name\nann,Miller; Ann", {"name": "Miller; Ann"}),
        ('name\nann,"Miller, ""王"" Ann"', {"name": 'Miller, "王" Ann'}),
        ("name\nann,", {"name": ""}),
        ("company\nann,USMF", {"company": "USMF"}),
        ("email\nann,", {"email": None}),
        ("email\nann,ann@bücher.example", {"email": "ann@xn--bcher-kva.example"}),
        ("external\nann,TRUE", {"external": True}),
        ("external\nann,0", {"external": False}),
        ("enabled\nann,no", {"enabled": False}),
        ("enabled\nann,yes", {"enabled": True}),
        ("enabled\nann,", {}),
    ],
)
def test_cells_become_values_and_empty_ones_leave_or_clear(cells, values):
    assert users_of_csv(f"id,{cells}\n".encode()) == [UserRow("ann", values)]


@pytest.mark.parametrize(
    ("text", "pointers"),
    [
        ("", ["line 1"]),
        ("\n\n", ["line 1"]),
        ("name\nann\n", ["line 1"]),
        ("id,age\nann,7\n", ["line 1"]),
        ("id,id\nann,ann\n", ["line 1"]),
        ("id,name\n", ["line 2"]),
        ("id,name\nann\n", ["line 2"]),
        ("id,name\nann,Ann,x\n", ["line 2"]),
        ("id,name\nann,Ann\n,Bob\n", ["line 3, id"]),
        ("id,name\nme,Ann\n", ["line 2, id"]),
        ("id\na/b\n", ["line 2, id"]),
        ("id,email\nann,nobody\n\nbob,b@c.test\neve,@\n", ["line 2, email", "line 5, email"]),
        ("id,external,enabled\nann,perhaps,no\nbob,no,7\n", ["line 2, external", "line 3, enabled"]),
        ("id\nann\nbob\nANN\nann\n", ["line 4, id", "line 5, id"]),
        ('id,name\nann,"two\nlines"\nbob\n', ["line 2, name", "line 4"]),
        ('id,name\nann,Ann\nbob,"open\n', ["line 3"]),
        ('id,name\nann,"a"b\n', ["line 2"]),
    ],
)
def test_each_bad_line_is_told_with_its_number(text, pointers):
    with pytest.raises(InvalidEmail) as caught:
        users_of_csv(text.encode())
    assert [one.pointer for one in caught.value.problems] == pointers


def test_file_that_is_not_utf8_is_refused_with_the_line():
    with pytest.raises(InvalidEmail, match="line 2: it is not UTF-8"):
        users_of_csv("id,name\nann,Änn\n".encode("latin-1"))


def test_first_line_of_a_repeated_id_is_told():
    with pytest.raises(InvalidEmail, match="stands in line 2 already"):
        users_of_csv(b"id\nann\nAnn\n")


def test_only_the_first_problems_are_told_and_how_many_more():
    with pytest.raises(InvalidEmail) as caught:
        users_of_csv(b"id,email\n" + b"".join(b"user%d,x\n" % number for number in range(250)))
    assert len(caught.value.problems) == 101
    assert "150 more" in caught.value.problems[-1].detail


def test_file_of_more_users_than_a_request_can_store_is_refused(monkeypatch):
    monkeypatch.setattr(users_csv, "MOST_USERS", 2)
    assert len(users_of_csv(b"id\na\nb\n")) == 2
    with pytest.raises(InvalidEmail, match="more than 2 users"):
        users_of_csv(b"id\na\nb\nc\n")
    with pytest.raises(InvalidEmail, match="more than 2 users"):
        users_of_csv(b"id\n" + b"!\n" * 1_000)


def test_problem_repeats_nothing_of_the_file():
    with pytest.raises(InvalidEmail) as caught:
        users_of_csv(b"id,email,enabled\nPRIVATE PRIVATE,PRIVATE@@,PRIVATE\n")
    assert "PRIVATE" not in str(caught.value)
