from __future__ import annotations

import os
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mintql.data import (
    load_categories,
    load_category_hints,
    load_keywords,
    load_merchant_codes,
    read_rows,
)
from mintql.domain.categories import UNCATEGORIZED, CategorySource
from mintql.domain.countries import EVERYWHERE
from mintql.domain.keywords import NOT_FOUND, KeywordIndex
from mintql.domain.merchant_memory import MEMO_SIZE
from mintql.domain.merchants import normalize
from mintql.domain.sellers import TELLING, Direction, Keyword, SellerColumns, SellerIndex
from mintql.services.categorize import Categorizer, Clues, default_categorizer
from mintql.services.knowledge import Knowledge

TREE = load_categories()
COFFEE = TREE.by_slug["coffee"].category_id


def categorized(
    description: str, amount_minor: int = -10_00, mcc: str = "", memory: dict | None = None, category_code: str = ""
):
    clues = Clues(normalize(description).key, amount_minor, "USD", mcc, category_code)
    found = Knowledge(memory or {}).categorize(default_categorizer(), clues)
    return TREE.by_id[found.category_id].slug, found.source.value, found.detail.rpartition(": ")[2]


def test_what_a_person_chose_for_the_seller_comes_before_what_everybody_knows():
    memory = {"starbucks": TREE.by_slug["business-services"].category_id}
    assert categorized("STARBUCKS #123", mcc="5411", memory=memory) == ("business-services", "memory", "starbucks")
    memory = {"acme payroll": TREE.by_slug["other-income"].category_id}
    assert categorized("ACME PAYROLL", 2000_00, memory=memory) == ("other-income", "memory", "acme payroll")


def test_the_institutions_code_comes_before_the_dictionary():
    assert categorized("STARBUCKS #123", mcc="5411") == ("groceries", "institution", "MCC 5411")


def test_a_vague_code_only_helps_where_nothing_else_does():
    assert categorized("AMAZON.CA*M24NV0AI0", mcc="4816") == ("online-marketplaces", "dictionary", "amazon")
    assert categorized("ZZYZX", mcc="5999") == ("other-shopping", "institution", "MCC 5999 vague")


def test_an_institutions_category_comes_after_the_merchant_code_and_before_the_dictionary():
    groceries = "pfc:FOOD_AND_DRINK_GROCERIES"
    assert categorized("STARBUCKS #123", category_code=groceries) == (
        "groceries",
        "institution",
        "PFC FOOD_AND_DRINK_GROCERIES",
    )
    assert categorized("STARBUCKS #123", mcc="5814", category_code=groceries)[2] == "MCC 5814"
    assert categorized("ACME PAYROLL", 2500_00, category_code=groceries)[0] == "paycheck"
    memory = {"starbucks": COFFEE}
    assert categorized("STARBUCKS #123", memory=memory, category_code=groceries) == ("coffee", "memory", "starbucks")


@pytest.mark.parametrize("code", ["GENERAL_MERCHANDISE_OTHER_GENERAL_MERCHANDISE", "GENERAL_MERCHANDISE"])
def test_a_vague_category_of_the_institution_only_helps_where_nothing_else_does(code):
    assert categorized("STARBUCKS #123", category_code=f"pfc:{code}") == ("coffee", "dictionary", "starbucks")
    assert categorized("LUIGIS PIZZERIA", category_code=f"pfc:{code}")[1] == "keyword"
    assert categorized("ZZYZX", category_code=f"pfc:{code}") == ("other-shopping", "institution", f"PFC {code} vague")


def test_a_category_of_income_says_nothing_about_money_that_goes_out():
    assert categorized("ZZYZX", 900_00, category_code="pfc:INCOME_SALARY")[0] == "paycheck"
    assert categorized("ZZYZX", -900_00, category_code="pfc:INCOME_SALARY") == ("uncategorized", "none", "")


@pytest.mark.parametrize("code", ["pfc:OTHER_OTHER", "pfc:NO_SUCH_CODE", "FOOD_AND_DRINK_GROCERIES", "mcc:5411"])
def test_a_category_that_tells_nothing_is_no_reason(code):
    assert categorized("ZZYZX", category_code=code) == ("uncategorized", "none", "")
    assert categorized("STARBUCKS", category_code=code)[1] == "dictionary"


def test_every_category_of_an_institution_means_a_leaf_of_ours():
    hints = load_category_hints()
    assert len(hints) == 144
    assert not any(TREE.is_group(hint.category_id) for hint in hints.values())
    others = [code for code in hints if "_OTHER" in code or code.count("_") == 0]
    assert all(hints[code].vague for code in others)


def test_a_code_that_stands_for_our_category_leads_back_to_it():
    hints = load_category_hints()
    for leaf in TREE.leaves:
        meant = TREE.by_id[hints[f"pfc:{leaf.plaid_code}"].category_id]
        assert meant.kind is leaf.kind, leaf.slug
    codes = Counter(leaf.plaid_code for leaf in TREE.leaves)
    telling = [
        leaf for leaf in TREE.leaves if codes[leaf.plaid_code] == 1 and not hints[f"pfc:{leaf.plaid_code}"].vague
    ]
    assert len(telling) > 50
    for leaf in telling:
        assert hints[f"pfc:{leaf.plaid_code}"].category_id == leaf.category_id


def test_codes_nobody_assigned_are_passed_over():
    for mcc in ("0000", "9999", "abc", "54110"):
        assert categorized("STARBUCKS", mcc=mcc)[1] == "dictionary"


def test_nothing_known_is_uncategorized():
    assert default_categorizer().categorize(Clues("zzyzx qwert", -1, "USD")) == UNCATEGORIZED


@pytest.mark.parametrize(
    ("description", "slug", "detail"),
    [
        ("STARBUCKS 04817", "coffee", "starbucks"),
        ("PEET'S COFFEE 12 CONCORD", "coffee", "peets coffee"),
        ("THE HOME DEPOT #7080", "home-improvement", "the home depot"),
        ("CDN TIRE GASBAR #01711", "fuel", "canadian tire gas"),
        ("CDN TIRE STORE #00654", "superstores", "canadian tire"),
        ("UBER EATS HELP.UBER.COM", "food-delivery", "uber eats"),
        ("UBER *TRIP", "taxi-and-rideshare", "uber"),
        ("APPLE.COM/BILL", "software-and-apps", "apple services"),
        ("APPLE STORE #R123", "electronics", "apple"),
    ],
)
def test_the_dictionary_knows_whole_names_and_their_longest_beginning(description, slug, detail):
    assert categorized(description) == (slug, "dictionary", detail)


def test_a_common_word_is_a_seller_only_when_it_stands_alone():
    assert categorized("SPECTRUM")[1] == "dictionary"
    assert categorized("SPECTRUM YOGA") == ("gym-and-fitness", "keyword", "yoga")


@pytest.mark.parametrize(
    ("description", "slug"),
    [
        ("LUIGIS PIZZERIA", "restaurants"),
        ("DOWNTOWN PARKING GARAGE", "parking"),
        ("MAIN ST PHARMACY", "pharmacy"),
        ("SEASIDE MOTEL", "lodging"),
        ("SMITH FAMILY DENTISTRY", "dentist"),
        ("ELM CAR WASH", "auto-service"),
        ("APOTHEKE AM MARKT", "pharmacy"),
    ],
)
def test_telling_words_categorize_sellers_nobody_knows(description, slug):
    found = categorized(description)
    assert (found[0], found[1]) == (slug, "keyword")


@pytest.mark.parametrize(
    ("description", "amount_minor", "slug"),
    [
        ("ACME CORP PAYROLL DIR DEP", 2500_00, "paycheck"),
        ("WALMART PAYROLL", 1800_00, "paycheck"),
        ("INTEREST PAYMENT", 1_23, "interest-income"),
        ("INTEREST CHARGE ON PURCHASES", -12_00, "interest-charges"),
        ("IRS TREAS 310 TAX REF", 900_00, "tax-refund"),
        ("IRS USATAXPYMT", -900_00, "taxes"),
        ("AUTOMATIC PAYMENT - THANK YOU", 500_00, "credit-card-payment"),
        ("CHASE CREDIT CRD AUTOPAY", -500_00, "credit-card-payment"),
        ("ONLINE TRANSFER TO SAV ...1234", -100_00, "savings-transfer"),
        ("ONLINE TRANSFER FROM CHK ...1234", 100_00, "account-transfer"),
        ("ZELLE PAYMENT TO ALEX", -20_00, "person-to-person"),
        ("ATM WITHDRAWAL 001234", -60_00, "cash-withdrawal"),
        ("ATM FEE", -3_00, "atm-fees"),
        ("OVERDRAFT FEE", -35_00, "late-and-overdraft-fees"),
    ],
)
def test_what_the_bank_itself_did_is_read_from_its_words_and_the_sign(description, amount_minor, slug):
    assert categorized(description, amount_minor)[0] == slug


def test_a_refund_keeps_the_category_of_its_seller():
    assert categorized("STARBUCKS 04817", 5_00) == categorized("STARBUCKS 04817", -5_00)
    assert categorized("SEASIDE MOTEL", 99_00) == categorized("SEASIDE MOTEL", -99_00)


def test_words_of_income_say_nothing_about_money_that_goes_out():
    assert categorized("ACME PAYROLL", -10_00) == ("uncategorized", "none", "")


def test_names_are_shown_as_the_seller_writes_them():
    show = default_categorizer().display_name
    assert show(normalize("MCDONALD'S F1234")) == "McDonald's"
    assert show(normalize("WHOLEFDS MDF 10380")) == "Whole Foods Market"
    assert show(normalize("SQ *CORNER ESPRESSO")) == "Corner Espresso"


@given(st.text(max_size=60), st.integers(-(10**6), 10**6), st.sampled_from(["", "5411", "4816", "9999"]))
def test_every_transaction_gets_a_leaf_and_a_reason(description, amount_minor, mcc):
    found = default_categorizer().categorize(Clues(normalize(description).key, amount_minor, "USD", mcc))
    assert not TREE.is_group(found.category_id)
    assert bool(found.detail) == (found.source is not CategorySource.NONE) == (found.confidence > 0)


def test_of_several_keywords_more_words_win_then_the_earlier_one():
    index = KeywordIndex(
        [
            Keyword("hot", 1, Direction.EITHER, of_bank=False),
            Keyword("dog*", 2, Direction.EITHER, of_bank=False),
            Keyword("hot dogs", 3, Direction.EITHER, of_bank=False),
            Keyword("cash", 4, Direction.IN, of_bank=False),
            Keyword("cash", 5, Direction.OUT, of_bank=False),
            Keyword("hot fee", 6, Direction.EITHER, of_bank=True),
        ]
    )

    def found(text: str, *, income: bool = False) -> list[int | None]:
        places = index.find(text.split(), income=income)
        return [None if place == NOT_FOUND else index.ranked[place].category_id for place in places]

    assert found("the hot dogs") == [None, 3]
    assert found("dogs hot") == [None, 1]
    assert found("dogsled") == [None, 2]
    assert found("hotdog") == [None, None]
    assert found("cash", income=True) == [None, 4]
    assert found("cash") == [None, 5]
    assert found("dogs cash hot fee") == [6, 1]


def naive_place(words: list[str], keywords: tuple[Keyword, ...], *, income: bool, of_bank: bool) -> Keyword | None:
    """Find the keyword by trying each at each place, in the order that the index promises."""
    for keyword in sorted(keywords, key=lambda word: -word.phrase.count(" ")):
        if keyword.of_bank is not of_bank or keyword.direction is (Direction.OUT if income else Direction.IN):
            continue
        parts = keyword.phrase.split(" ")
        for start in range(len(words) - len(parts) + 1):
            there = words[start : start + len(parts)]
            if there == parts or (parts[0].endswith("*") and there[0].startswith(parts[0][:-1])):
                return keyword
    return None


@settings(max_examples=60)
@given(st.data())
def test_keywords_are_found_as_by_trying_each_at_each_place(data):
    keywords = load_keywords()
    some = st.sampled_from(keywords).map(lambda keyword: keyword.phrase.replace("*", "x"))
    words = " ".join(data.draw(st.lists(st.one_of(some, st.just("zzyzx")), min_size=1, max_size=3))).split()
    index = KeywordIndex(keywords)
    for income in (True, False):
        places = index.find(words, income=income)
        for place, of_bank in zip(places, (True, False), strict=True):
            expected = naive_place(words, keywords, income=income, of_bank=of_bank)
            assert (None if place == NOT_FOUND else index.ranked[place]) == expected


def test_a_categorizer_knows_only_what_it_is_given():
    curated = SellerColumns(
        keys=["blue door"],
        names=["Blue Door"],
        name_numbers=[0],
        category_ids=[COFFEE],
        category_numbers=[0],
        flags=bytes([TELLING]),
        scopes=[EVERYWHERE],
        scope_numbers=[0],
    )
    categorizer = Categorizer(SellerIndex(curated, SellerColumns()), (), {})
    assert categorizer.categorize(Clues("blue door 12 main", -1, "USD", "5411")).detail == "beginning: blue door"
    assert categorizer.categorize(Clues("blue window", -1, "USD", "5411")) == UNCATEGORIZED


def test_the_first_alternative_is_the_category_and_none_repeats():
    for key in ("starbucks", "spectrum yoga", "acme payroll", "zzyzx", "blue door pharmacy"):
        for amount_minor, mcc in ((-1, ""), (1, "5411"), (-1, "5999")):
            clues = Clues(key, amount_minor, "CAD", mcc)
            others = default_categorizer().alternatives(clues)
            assert (others or [UNCATEGORIZED])[0] == default_categorizer().categorize(clues)
            assert len({other.category_id for other in others}) == len(others)


def test_what_was_decided_is_remembered_up_to_a_bound():
    categorizer = default_categorizer()
    for number in range(MEMO_SIZE + 10):
        categorizer.categorize(Clues(f"zzyzx {number}", -1, "USD"))
    assert categorizer.remembered_count == MEMO_SIZE


def test_every_seller_of_the_own_list_is_found_under_its_own_name():
    for row in read_rows("sellers.tsv"):
        assert normalize(row["key"]).key == row["key"]
        assert not TREE.is_group(TREE.by_slug[row["category"]].category_id)
        assert row["name"]


def test_sellers_are_sorted_and_matched_in_one_of_three_ways():
    rows = read_rows("sellers.tsv")
    assert len(rows) > 2500
    assert all(earlier["key"] < later["key"] for earlier, later in pairwise(rows))
    for row in rows:
        assert row["match"] in ({"beginning"} if " " in row["key"] else {"first word", "whole key"})


def test_every_keyword_can_be_met_in_a_key():
    seen = set()
    for keyword in load_keywords():
        plain = keyword.phrase.removesuffix("*")
        assert plain == plain.lower().strip()
        assert plain.isascii()
        assert not (keyword.phrase.endswith("*") and " " in plain)
        assert (keyword.phrase, keyword.direction, keyword.of_bank) not in seen
        seen.add((keyword.phrase, keyword.direction, keyword.of_bank))


@pytest.mark.skipif(
    "MINTQL_SHARED_DATA" not in os.environ, reason="needs the taxonomy, which is not part of the project"
)
def test_hints_cover_the_taxonomy_of_both_versions():
    lines = Path(os.environ["MINTQL_SHARED_DATA"], "pfc-taxonomy-all.csv").read_text(encoding="utf-8").splitlines()
    cells = {part.strip() for line in lines[2:] for cell in line.split(",") for part in cell.split("/")}
    assert {f"pfc:{cell}" for cell in cells if cell} == set(load_category_hints())


def test_ranges_of_merchant_codes_ascend_without_overlap():
    rows = read_rows("mcc.tsv")
    for row in rows:
        assert int(row["first"]) <= int(row["last"])
    for earlier, later in pairwise(rows):
        assert int(earlier["last"]) < int(later["first"])
    assert set(load_merchant_codes()) >= {"5411", "5812", "3000", "3501", "6011"}
