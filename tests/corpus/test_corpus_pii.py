"""Personal data: check digits against independent oracles, forms that are numbers of people and forms
that are not."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from corpus_growth import LIMIT, growth
from hypothesis import given
from hypothesis import strategies as st

from mishran.corpus.checksums import luhn, verhoeff
from mishran.corpus.edited import Edited
from mishran.corpus.pii import DEFAULT_KINDS, PLACEHOLDERS, replace_pii
from mishran.errors import ConfigError

digits = st.text("0123456789", min_size=3, max_size=18)


def with_check(number: str, check) -> str:
    (last,) = [d for d in "0123456789" if check(number + d)]  # exactly one check digit fits
    return number + last


@given(digits, st.sampled_from([luhn, verhoeff]))
def test_every_single_wrong_digit_is_found(number: str, check) -> None:
    right = with_check(number, check)
    for i, digit in enumerate(right):
        for wrong in set("0123456789") - {digit}:
            assert not check(right[:i] + wrong + right[i + 1 :])


@given(digits)
def test_swaps_of_neighbours_are_found(number: str) -> None:
    right = with_check(number, verhoeff)
    left = with_check(number, luhn)
    for i in range(len(right) - 1):
        if right[i] != right[i + 1]:
            assert not verhoeff(right[:i] + right[i + 1] + right[i] + right[i + 2 :])
        if {left[i], left[i + 1]} not in ({"0", "9"}, {left[i]}):
            assert not luhn(left[:i] + left[i + 1] + left[i] + left[i + 2 :])


def test_published_examples() -> None:
    assert verhoeff("2363") and not verhoeff("2364")  # 236, check digit 3
    assert verhoeff("123451") and verhoeff("1428570")
    assert luhn("79927398713") and not luhn("79927398710")  # the patent's number as usually quoted
    assert luhn("4111111111111111") and luhn("378282246310005")  # test numbers of card networks
    assert not luhn("0") and not verhoeff("")


AADHAAR = with_check("23412345678", verhoeff)
GROUPED = f"{AADHAAR[:4]} {AADHAAR[4:8]} {AADHAAR[8:]}"


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        *(
            ("email", t)
            for t in (
                "ram.k+1@mail.example.co.in",
                "ram [at] example [dot] com",
                "ram(at)example.com",
                "राम@उदाहरण.भारत",
            )
        ),
        *(
            ("phone", t)
            for t in (
                "+91 98765 43210",
                "98765-43210",
                "9876543210",
                "09876543210",
                "+919876543210",
                "९८७६५४३२१०",
                "0091 9876543210",
                "987-654-3210",
                "9876 543 210",
                "011-23456789",
                "(022) 2345 6789",
                "+91 11 2345 6789",
                "0522 2345678",
                "1800 123 4567",
                "(555) 123-4567",
                "555-234-5678",
                "+1 415 555 2671",
                "+44 20 7946 0958",
                "+33 1 42 68 53 00",
                "+49 30 901820",
            )
        ),
        *(
            ("card", t)
            for t in (
                "4111 1111 1111 1111",
                "4111-1111-1111-1111",
                "4111111111111111",
                "3782 822463 10005",
                "५५५५५५५५५५५५४४४४",
            )
        ),
        *(
            ("aadhaar", t)
            for t in (
                AADHAAR,
                GROUPED,
                GROUPED.replace(" ", "-"),
                "XXXX XXXX 1234",
                "xxxxxxxx1234",
                "****-****-1234",
            )
        ),
        *(("pan", t) for t in ("ABCPE1234F", "AAACB1234C")),
    ],
)
@pytest.mark.parametrize("frame", ["{}", "Write to {}.", "संपर्क: {}, आज", "({})", "a\n{}\nb"])
def test_personal_data_is_replaced(kind: str, text: str, frame: str) -> None:
    once = replace_pii(frame.format(text))
    assert once == Edited(frame.format(PLACEHOLDERS[kind]), {kind: 1})
    assert replace_pii(once.text) == Edited(once.text)


@pytest.mark.parametrize(
    "text",
    [
        "₹ 9876543210",
        "Rs. 9876543210",
        "in 1998-2005",
        "ISBN 978-81-7223-498-3",
        "ISBN 8172234983",
        "v1.2.3.4.5",
        "192.168.1.100",
        "2019-12-31 12:30:45",
        "31/12/2019",
        "pp. 123-145",
        "3.14159265358979",
        "1,234,567,890",
        "12345 67890 12345 67890",
        "7800000000 people",
        "0.9876543210",
        "ABCDE1234F",
        "user@host",
        "image@2x.png",
        "git@github.com:a/b.git",
        "@media",
        "1234 5678 9012 3456",
        "4111 1111 1111 1112",
        "9876543210th",
        "id=9876543210",
        "0x9876543210",
        "2020 2021 2022 2023",
        "1234567890",
        "1609459200",
        "20200101123456",
        "9789012345678",
        "1947-08-15 to 1950-01-26",
        "100-200-300",
        "८७६५ ४३२१",
        "1 000 000 000",
        "6.02214076e23",
        "12:30:45:99",
        "$ 9,876.54",
        "१९४७ से १९५०",
        "XXXX XXXX XXXX 1234",
        "a.b/9876543210/c",
        with_check("13412345678", verhoeff),
        "2222 2222 2222",
        "hotel 12345678",
        "graph: 1234567",
        "phone 2019-2020",
    ],
)
def test_other_numbers_stay(text: str) -> None:
    assert replace_pii(f"see {text} here") == Edited(f"see {text} here")


def test_a_word_for_telephone_lets_any_form_count() -> None:
    assert replace_pii("room 12345678") == Edited("room 12345678")
    assert (
        replace_pii("Phone: 12345678, फोन नंबर 1234 567").text == "Phone: <PHONE>, फोन नंबर <PHONE>"
    )


def test_the_longer_reading_wins_then_the_more_specific() -> None:
    assert replace_pii("ram9876543210@mail.com").text == "<EMAIL>"
    assert replace_pii(f"{AADHAAR} 4111111111111111").counts == {"aadhaar": 1, "card": 1}


def test_kinds_are_a_choice() -> None:
    text = "a@b.com 10.0.0.1 fe80::1:2:3:4 SBIN0001234 ram@okaxis 9876543210 a::b std::x"
    assert (
        replace_pii(text, ("ip", "ifsc", "upi")).text
        == "a@b.com <IP> <IP> <IFSC> <UPI> 9876543210 a::b std::x"
    )
    assert replace_pii(text, ("email",)).text.startswith("<EMAIL> 10")
    assert replace_pii(text, ()) == Edited(text)


def test_an_unknown_kind_is_an_error_that_helps() -> None:
    with pytest.raises(ConfigError, match=r"kind of personal data: email, .*found 'mail'"):
        replace_pii("text", ("mail",))


PIECES = [
    "9876543210",
    " ",
    "-",
    "98765",
    "43210",
    "+91",
    "a@b.com",
    "@",
    "ABCPE1234F",
    "4111111111111111",
    "(",
    ")",
    ".",
    "xxxx",
    "1234",
    "/",
    "phone",
    ":",
    "<",
    "०",
    AADHAAR,
    "0",
    "at]",
    "[",
    "::",
    "fe80",
    "1",
    "x",
]


@given(
    st.one_of(
        st.lists(st.sampled_from(PIECES), max_size=20).map("".join), st.text("0123456789 -+.()@x:")
    ),
    st.booleans(),
)
def test_a_second_run_finds_nothing(text: str, every: bool) -> None:
    kinds = tuple(PLACEHOLDERS) if every else DEFAULT_KINDS
    once = replace_pii(text, kinds)
    assert replace_pii(once.text, kinds) == Edited(once.text)
    assert (once.text == text) == (not once.counts)


@given(st.text(st.characters(exclude_characters="@*", exclude_categories=["Nd"])))
def test_text_without_digits_stays(text: str) -> None:
    if "at" not in text:
        assert replace_pii(text) == Edited(text)


@pytest.mark.parametrize(
    "piece",
    [
        "9",
        "9876543210 ",
        "a",
        "@",
        "a@",
        "1-",
        " ",
        "(9",
        "x@y.",
        "9876 ",
        "+1 ",
        "phone ",
        "[at]",
        "12345678 ",
        "xxxx ",
    ],
)
def test_time_grows_with_the_text(piece: str) -> None:
    assert growth(lambda text: replace_pii(text, tuple(PLACEHOLDERS)), piece) < LIMIT


@pytest.mark.parametrize(
    "name", ["en_fiction", "en_drama", "en_science", "hi_literature", "hi_stories", "en_stories"]
)
def test_no_false_alarm_in_books_and_abstracts(data_root: Path, name: str) -> None:
    path = data_root / "pretrain" / f"{name}.valid.jsonl.gz"
    with gzip.open(path, "rt") as file:
        for line in file:
            text = json.loads(line)["text"]
            assert replace_pii(text) == Edited(text)
