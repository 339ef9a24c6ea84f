"""Pages of transactions on a real database, against a model in plain Python."""

from __future__ import annotations

import json
import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from mintql.data import load_categories
from mintql.domain.categories import UNCATEGORIZED_ID
from mintql.domain.errors import InvalidInput
from mintql.services.transactions import (
    FILTER_TEXT_LENGTH_MAX,
    PageRequest,
    TransactionFilter,
    check_filter,
    get_transactions,
    list_page,
)
from mintql.store.transactions_read import KEY_NEWEST, KEY_OLDEST, SQL
from support.factories import (
    create_account,
    create_many_transactions,
    create_person,
    create_transaction,
    create_transactions,
)
from support.people import acting_as, category

STANDARD = load_categories()
DAY = date(2026, 11, 10)


async def a_varied_history(conn):
    """Sixty rows on ten days, of two accounts, four categories and two currencies.

    Some of them are pending, some are split, and some have tags and notes.
    """
    chance = random.Random(7)
    person = await create_person(conn)
    other_account = await create_account(conn, person.user_id, person.connection_id, currency="JPY")
    leaves = [category("groceries"), category("rent"), category("paycheck"), UNCATEGORIZED_ID]
    rows = []
    for _ in range(60):
        account_id, currency = chance.choice([(person.account_id, "USD"), (other_account, "JPY")])
        row = {
            "account_id": account_id,
            "currency": currency,
            "posted_on": DAY - timedelta(days=chance.randrange(10)),
            "amount_minor": chance.randrange(-5000, 1000),
            "pending": chance.random() < 0.2,
            "category_id": chance.choice(leaves),
            "description": chance.choice(["CARD 100% COTTON", "card 1000 x", "Underscore_d", "underscored"]),
            "merchant": chance.choice(["Müller", "Tailor"]),
        }
        row["transaction_id"] = await create_transaction(conn, person.user_id, **row)
        row["parts"] = chance.choices([*leaves, category("taxi-and-rideshare")], k=chance.choice([0, 0, 1, 3]))
        row["tags"] = chance.choice([None, None, ["Lisbon"], ["Reimbursed", "Lisbon"], ["ÉTÉ"]])
        row["note"] = chance.choice([None, None, "for 100% of us", "Ask Ada"])
        await annotate(conn, row)
        rows.append(row)
    rows.sort(key=lambda row: (row["posted_on"], row["transaction_id"]), reverse=True)
    return person, other_account, rows


async def annotate(conn, row):
    count = len(row["parts"])
    await conn.execute(
        "UPDATE transactions SET part_category_ids = $2, part_amounts_minor = $3, part_notes = $4, tags = $5,"
        " note = $6 WHERE transaction_id = $1",
        row["transaction_id"], row["parts"] or None, [-1] * count or None, ["a part of it"] * count or None,
        row["tags"], row["note"],
    )  # fmt: skip


def categories_of(row):
    return {row["category_id"], *row["parts"]}


def tags_of(row):
    return set(row["tags"] or ())


def whole_units(row) -> Decimal:
    return Decimal(row["amount_minor"]) / (1 if row["currency"] == "JPY" else 100)


def filters(other_account):
    """Each filter with what it means, said in Python."""
    groceries, rent, taxi = category("groceries"), category("rent"), category("taxi-and-rideshare")
    everything = [leaf.category_id for leaf in STANDARD.leaves]
    return [
        (TransactionFilter(), lambda _: True),
        (check_filter(STANDARD, account_ids=[other_account]), lambda row: row["account_id"] == other_account),
        (check_filter(STANDARD, category_ids=[groceries, rent]), lambda row: categories_of(row) & {groceries, rent}),
        (
            check_filter(STANDARD, category_ids=[category("food-and-dining")]),
            lambda row: groceries in categories_of(row),
        ),
        (check_filter(STANDARD, category_ids=[taxi]), lambda row: taxi in row["parts"]),
        (
            check_filter(STANDARD, category_ids=[taxi], account_ids=[other_account]),
            lambda row: taxi in row["parts"] and row["account_id"] == other_account,
        ),
        (
            check_filter(STANDARD, category_ids=[leaf for leaf in everything if leaf not in (groceries, rent)]),
            lambda row: categories_of(row) - {groceries, rent},
        ),
        (check_filter(STANDARD, uncategorized=True), lambda row: UNCATEGORIZED_ID in categories_of(row)),
        (check_filter(STANDARD, uncategorized=False), lambda row: categories_of(row) - {UNCATEGORIZED_ID}),
        (check_filter(STANDARD, category_ids=[rent], uncategorized=True), lambda _: False),
        (check_filter(STANDARD, first=DAY - timedelta(3)), lambda row: row["posted_on"] >= DAY - timedelta(3)),
        (check_filter(STANDARD, last=DAY - timedelta(7)), lambda row: row["posted_on"] <= DAY - timedelta(7)),
        (check_filter(STANDARD, least=Decimal("-20.00")), lambda row: whole_units(row) >= -20),
        (check_filter(STANDARD, greatest=Decimal("-30.5")), lambda row: whole_units(row) <= Decimal("-30.5")),
        (check_filter(STANDARD, pending=True), lambda row: row["pending"]),
        (check_filter(STANDARD, pending=False), lambda row: not row["pending"]),
        (
            check_filter(STANDARD, text="100%"),
            lambda row: "100%" in row["description"] or "100%" in (row["note"] or ""),
        ),
        (check_filter(STANDARD, text="SCORE_D"), lambda row: "score_d" in row["description"].lower()),
        (check_filter(STANDARD, text="müll"), lambda row: row["merchant"] == "Müller"),
        (check_filter(STANDARD, text="ask ada"), lambda row: row["note"] == "Ask Ada"),
        (check_filter(STANDARD, text="PART OF"), lambda row: row["parts"]),
        (check_filter(STANDARD, has_note=True), lambda row: row["note"]),
        (check_filter(STANDARD, has_note=False), lambda row: not row["note"]),
        (check_filter(STANDARD, tags=["lisbon"]), lambda row: "Lisbon" in tags_of(row)),
        (
            check_filter(STANDARD, tags=["été", "REIMBURSED", "unheard of"]),
            lambda row: tags_of(row) & {"ÉTÉ", "Reimbursed"},
        ),
        (check_filter(STANDARD, tags=["unheard of"]), lambda _: False),
        (
            check_filter(STANDARD, tags=["Lisbon"], category_ids=[groceries], account_ids=[other_account]),
            lambda row: (
                "Lisbon" in tags_of(row) and groceries in categories_of(row) and row["account_id"] == other_account
            ),
        ),
        (
            check_filter(STANDARD, account_ids=[other_account], category_ids=[groceries], text="card", pending=False),
            lambda row: (
                row["account_id"] == other_account
                and groceries in categories_of(row)
                and "card" in row["description"].lower()
                and not row["pending"]
            ),
        ),
    ]


@pytest.mark.parametrize("forward", [True, False])
@pytest.mark.parametrize("size", [1, 7, 100])
async def test_walking_page_by_page_meets_every_matching_row_once_in_either_direction(conn, forward, size):
    person, other_account, rows = await a_varied_history(conn)
    async with acting_as(conn, person.user_id):
        for wanted, matches in filters(other_account):
            expected = [row["transaction_id"] for row in rows if matches(row)]
            met, cursor = [], None
            while True:
                after, before = (cursor, None) if forward else (None, cursor)
                page = await list_page(conn, person.user_id, wanted, PageRequest(size, forward, after, before))
                ids = [row.transaction_id for row in page.rows]
                met = met + ids if forward else ids + met
                ahead, behind = (page.has_next, page.has_previous) if forward else (page.has_previous, page.has_next)
                assert behind == (cursor is not None)
                assert ahead == (len(met) < len(expected))
                if not ahead:
                    break
                cursor = page.rows[-1 if forward else 0].key
            assert met == expected, wanted


async def test_the_filters_of_the_walk_tell_rows_apart(conn):
    _, other_account, rows = await a_varied_history(conn)
    for wanted, matches in filters(other_account)[1:]:
        count = sum(1 for row in rows if matches(row))
        assert count < len(rows), wanted


async def test_a_page_between_two_cursors_leaves_both_out_and_knows_its_neighbours(conn):
    person = await create_person(conn)
    await create_transactions(
        conn, person.user_id, person.account_id, [(DAY - timedelta(n), -100 - n, UNCATEGORIZED_ID) for n in range(6)]
    )
    everything = TransactionFilter()
    async with acting_as(conn, person.user_id):
        rows = (await list_page(conn, person.user_id, everything, PageRequest(10))).rows
        inner = PageRequest(10, after=rows[0].key, before=rows[5].key)
        page = await list_page(conn, person.user_id, everything, inner)
        assert [row.amount_minor for row in page.rows] == [-101, -102, -103, -104]
        assert (page.has_previous, page.has_next) == (True, True)
        inner = PageRequest(2, forward=False, after=rows[0].key, before=rows[5].key)
        page = await list_page(conn, person.user_id, everything, inner)
        assert [row.amount_minor for row in page.rows] == [-103, -104]
        assert (page.has_previous, page.has_next) == (True, True)


async def test_a_cursor_goes_on_working_when_its_row_no_longer_matches(conn):
    person = await create_person(conn)
    groceries = category("groceries")
    ids = await create_transactions(
        conn, person.user_id, person.account_id, [(DAY - timedelta(n), -100, groceries) for n in range(3)]
    )
    wanted = check_filter(STANDARD, category_ids=[groceries])
    async with acting_as(conn, person.user_id):
        first = await list_page(conn, person.user_id, wanted, PageRequest(1))
        assert [row.transaction_id for row in first.rows] == ids[:1]
    await conn.execute("UPDATE transactions SET category_id = $2 WHERE transaction_id = $1", ids[0], category("rent"))
    async with acting_as(conn, person.user_id):
        after = PageRequest(5, after=first.rows[0].key)
        page = await list_page(conn, person.user_id, wanted, after)
    assert [row.transaction_id for row in page.rows] == ids[1:]
    assert (page.has_previous, page.has_next) == (False, False)


async def test_superseded_and_removed_rows_are_not_listed(conn):
    person = await create_person(conn)
    posted = await create_transaction(conn, person.user_id, person.account_id, amount_minor=-1250)
    await create_transaction(
        conn, person.user_id, person.account_id, amount_minor=-1000, pending=True, successor_id=posted
    )
    await create_transaction(conn, person.user_id, person.account_id, removed_at=datetime.now(UTC))
    async with acting_as(conn, person.user_id):
        for wanted in (TransactionFilter(), check_filter(STANDARD, account_ids=[person.account_id])):
            page = await list_page(conn, person.user_id, wanted, PageRequest(10))
            assert [row.amount_minor for row in page.rows] == [-1250]


async def test_an_old_id_leads_along_its_successors_and_a_removed_one_nowhere(conn):
    person = await create_person(conn)
    posted = await create_transaction(conn, person.user_id, person.account_id, amount_minor=-1250)
    second = await create_transaction(conn, person.user_id, person.account_id, pending=True, successor_id=posted)
    first = await create_transaction(conn, person.user_id, person.account_id, pending=True, successor_id=second)
    removed = await create_transaction(conn, person.user_id, person.account_id, removed_at=datetime.now(UTC))
    async with acting_as(conn, person.user_id):
        found = await get_transactions(conn, person.user_id, [first, second, posted, removed, 2**60])
    assert {asked: row.transaction_id for asked, row in found.items()} == dict.fromkeys((first, second, posted), posted)


async def test_rows_of_another_person_never_appear_whatever_is_asked(conn):
    ada, eve = await create_person(conn), await create_person(conn)
    theirs = await create_transaction(conn, ada.user_id, ada.account_id)
    async with acting_as(conn, eve.user_id):
        for wanted in (
            TransactionFilter(),
            check_filter(STANDARD, account_ids=[ada.account_id]),
            check_filter(STANDARD, text="shop"),
        ):
            page = await list_page(conn, eve.user_id, wanted, PageRequest(10))
            assert not page.rows
            # Even a caller that mixed up whom it asks for gets nothing.
            page = await list_page(conn, ada.user_id, wanted, PageRequest(10))
            assert not page.rows
        assert await get_transactions(conn, eve.user_id, [theirs]) == {}


@pytest.mark.parametrize(
    ("wishes", "words"),
    [
        ({"first": DAY, "last": DAY - timedelta(1)}, "before they begin"),
        ({"least": Decimal(5), "greatest": Decimal(4)}, "below the least"),
        ({"least": Decimal("1.00001")}, "too many decimals"),
        ({"greatest": Decimal("1e18")}, "not an amount"),
        ({"category_ids": [999_999]}, "no category 999999"),
        ({"account_ids": list(range(201))}, "200 at most"),
        ({"text": "x" * (FILTER_TEXT_LENGTH_MAX + 1)}, "100 at most"),
        ({"text": "a\0b"}, "U+0000"),
        ({"tags": [str(number) for number in range(201)]}, "200 at most"),
        ({"tags": ["x" * 51]}, "1 to 50 characters"),
        ({"tags": ["a\nb"]}, "cannot be shown on a line"),
    ],
)
def test_wishes_that_cannot_be_met_are_refused_in_words(wishes, words):
    with pytest.raises(InvalidInput) as refused:
        check_filter(STANDARD, **wishes)
    assert words in refused.value.message
    assert refused.value.field


async def test_pages_walk_an_index_in_order_and_stop_whatever_the_filter(conn, api_runtime):
    people = [await create_person(conn) for _ in range(40)]
    leaves = [category(slug) for slug in ("groceries", "rent", "paycheck", "mortgage")]
    await create_many_transactions(
        conn, user_ids=[person.user_id for person in people], per_user=1000, category_ids=leaves
    )
    # Of each person's rows every fiftieth is split, half of them out of other categories, and every fortieth tagged.
    await conn.execute(
        "UPDATE transactions SET part_category_ids = ARRAY[$1::int], part_amounts_minor = ARRAY[-1], part_notes = ARRAY['']"
        " WHERE substr(external_id, 6)::int % 50 = 0",
        leaves[0],
    )
    await conn.execute("UPDATE transactions SET tags = ARRAY['trip'] WHERE substr(external_id, 6)::int % 40 = 0")
    await conn.execute("ANALYZE transactions")
    person, limit = people[3], 51
    groups = {
        "page": [("transactions_posted_idx", limit)],
        "tagged_page": [("transactions_tagged_idx", 25)],
        "account_page": [("transactions_account_idx", limit)],
        "category_page": [("transactions_category_idx", 2 * limit), ("transactions_split_idx", 10)],
    }
    async with api_runtime.person(person.user_id) as api_conn:
        for kind, walks in groups.items():
            for direction in ("newest_first", "oldest_first"):
                text = getattr(SQL, f"{kind}_{direction}")
                nodes = await plan_nodes(
                    api_conn, text, person.user_id, *KEY_NEWEST, *KEY_OLDEST, limit,
                    [person.account_id] if kind == "account_page" else None,
                    leaves[:2] if kind == "category_page" else None,
                    None, None, None, None, "{}", ["trip"] if kind == "tagged_page" else None, None, None,
                )  # fmt: skip
                scans = [node for node in nodes if node.get("Relation Name") == "transactions"]
                assert [(node["Node Type"], node["Index Name"]) for node in scans] == [
                    ("Index Scan", index) for index, _ in walks
                ]
                for node, (_, most) in zip(scans, walks, strict=True):
                    assert 0 < node["Actual Rows"] * node["Actual Loops"] <= most


async def plan_nodes(conn, text, *parameters):
    explained = json.loads(await conn.fetchval("EXPLAIN (ANALYZE, FORMAT JSON) " + text, *parameters))
    return list(walk(explained[0]["Plan"]))


def walk(node):
    yield node
    for child in node.get("Plans", ()):
        yield from walk(child)
