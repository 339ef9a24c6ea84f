"""What is written down of where texts stand narrows a search, and changes nothing of what is found."""

from __future__ import annotations

import contextlib
import random
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from itertools import count as count_from

import asyncpg
import pytest

from mintql.domain.search_grams import alike_least
from mintql.services import search_index, search_index_build
from mintql.services.search import Search, Sort, count, search
from mintql.services.transactions import TransactionFilter
from mintql.store import search_index as store
from mintql.store.transactions_read import KEY_NEWEST, KEY_OLDEST
from mintql.store.transactions_search import Stretch, Words
from support.factories import create_person, create_transaction
from support.people import acting_as

DAYS = 400
LAST = date(2026, 11, 20)
PAGE = 7
NOW = datetime.now(UTC)
ASKED = [
    Search(["seattle"], TransactionFilter()),
    Search(["seattle"], TransactionFilter(), ascending=True),
    Search(["seattle", "cafe"], TransactionFilter(), Sort.AMOUNT),
    Search(["seattle"], TransactionFilter(), Sort.AMOUNT, ascending=True),
    Search(["only", "once"], TransactionFilter()),
    Search(["12.34"], TransactionFilter()),
    Search(["cafee"], TransactionFilter()),
    Search(["seatle"], TransactionFilter()),
    Search(["seatle", "markt"], TransactionFilter()),
    Search(["austni"], TransactionFilter(), ascending=True),
    Search(["austinn"], TransactionFilter(), Sort.AMOUNT),
    Search(["zzzqqq"], TransactionFilter()),
    Search(["se"], TransactionFilter()),
    Search(["ttl", "rket"], TransactionFilter()),
    Search(["ttl", "rket"], TransactionFilter(), ascending=True),
    Search(["0712345"], TransactionFilter()),
    Search(["12345"], TransactionFilter()),
    Search(["=bckd="], TransactionFilter()),
    Search(["seattle"], TransactionFilter(first_day=LAST - timedelta(days=200), last_day=LAST - timedelta(days=90))),
]


@pytest.fixture
async def person(conn, monkeypatch):
    for name, value in (("TRANSACTIONS_MIN", 10), ("NEWEST_COUNT", 12), ("SLICE_MAX", 20), ("CHANGES_MIN", 4)):
        monkeypatch.setattr(search_index_build, name, value)
    for name, value in (("SINGLE_MAX", 3), ("WALKED_ONE_IN", 4), ("LOT_MAX", 2), ("SLICES_AT_FIRST", 1)):
        monkeypatch.setattr(search_index, name, value)
    found = await create_person(conn)
    for place in range(0, DAYS, 4):
        await create_transaction(
            conn, found.user_id, found.account_id, posted_on=LAST - timedelta(days=place), amount_minor=-100 - place,
            description=f"{('CAFE', 'OIL', 'MARKET')[place % 3]} {('SEATTLE', 'AUSTIN')[place % 8 // 4]}",
            merchant=("Cafe", "Oil", "Market")[place % 3],
        )  # fmt: skip
    await create_transaction(
        conn, found.user_id, found.account_id, posted_on=LAST - timedelta(days=300), amount_minor=-1_234,
        description="ONLY ONCE", merchant="Once",
    )  # fmt: skip
    await conn.execute("UPDATE transactions SET note = 'Ref 0712345' WHERE description = 'ONLY ONCE'")
    return found


async def everything(conn, person, asked):
    """All pages of a search with its count, as a member of nothing sees them: ids and how the words were read."""
    async with acting_as(conn, person.user_id):
        found, after, pages = [], None, []
        while True:
            page = await search(conn, person.user_id, asked, after, PAGE)
            found += [row.transaction_id for _, row in page.rows]
            pages.append((page.reading, len(page.rows)))
            if not page.has_next:
                return found, pages, await count(conn, person.user_id, asked, page.words)
            after = page.rows[-1][0]


async def keep_up(conn, person, now=NOW):
    """Write down where texts stand; return how many transactions each slice has, oldest first."""
    await search_index_build.keep_up(beginning(conn), person.user_id, now)
    return await sizes(conn)


def beginning(conn, steps=None):
    """How a worker begins transactions, so many of them before it goes away in the middle of one."""
    begun = count_from()

    @asynccontextmanager
    async def begin():
        async with conn.transaction():
            yield conn
            if steps is not None and next(begun) >= steps:
                raise WorkerGoneError

    return begin


class WorkerGoneError(Exception):
    pass


async def sizes(conn):
    return [row["size"] for row in await conn.fetch("SELECT size FROM search_slices ORDER BY newest_on, newest_id")]


async def test_what_is_found_is_the_same_with_the_index_and_without(conn, person):
    before = [await everything(conn, person, asked) for asked in ASKED]
    assert await keep_up(conn, person) == [20, 20, 20, 20, 9]
    assert [await everything(conn, person, asked) for asked in ASKED] == before
    counts = [len(found) for found, _, _ in before]
    assert counts == [50, 50, 17, 50, 1, 1, 34, 50, 17, 0, 50, 0, 50, 17, 17, 1, 1, 0, 14]


async def test_it_stays_the_same_whatever_comes_and_changes(conn, person):
    """Rows come in late, change day and words, go and come back; the index is written now and then."""
    dice = random.Random(7)
    for number in range(12):
        ids = [row["transaction_id"] for row in await conn.fetch("SELECT transaction_id FROM transactions ORDER BY 1")]
        some = dice.sample(ids, 5)
        await create_transaction(
            conn, person.user_id, person.account_id, posted_on=LAST - timedelta(days=dice.randrange(DAYS)),
            description=f"LATE {number:02d} SEATTLE", amount_minor=-1_234,
        )  # fmt: skip
        await conn.execute("UPDATE transactions SET note = 'zzzqqq once' WHERE transaction_id = $1", some[0])
        await conn.execute("UPDATE transactions SET posted_on = posted_on - 90 WHERE transaction_id = $1", some[1])
        await conn.execute("UPDATE transactions SET removed_at = now() WHERE transaction_id = $1", some[2])
        await conn.execute("UPDATE transactions SET removed_at = NULL WHERE transaction_id = $1", some[3])
        await conn.execute("DELETE FROM transactions WHERE transaction_id = $1", some[4])
        if dice.random() < 0.5:
            assert await keep_up(conn, person)
        with_it = [await everything(conn, person, asked) for asked in ASKED]
        apart = conn.transaction()
        await apart.start()
        await conn.execute("DELETE FROM search_persons")
        without = [await everything(conn, person, asked) for asked in ASKED]
        await apart.rollback()
        assert with_it == without


async def test_what_came_and_changed_after_it_was_written_is_found(conn, person):
    await keep_up(conn, person)
    came = await create_transaction(
        conn, person.user_id, person.account_id, posted_on=LAST - timedelta(days=250), description="BRAND NEW"
    )
    await conn.execute("UPDATE transactions SET note = 'Renamed by hand' WHERE description = 'ONLY ONCE'")
    assert (await everything(conn, person, Search(["brand"], TransactionFilter())))[0] == [came]
    assert len((await everything(conn, person, Search(["renamed"], TransactionFilter())))[0]) == 1
    await conn.execute("UPDATE transactions SET removed_at = now() WHERE description = 'ONLY ONCE'")
    assert (await everything(conn, person, Search(["renamed"], TransactionFilter())))[0] == []


async def test_a_rare_word_is_looked_for_among_the_newest_and_at_its_own_transaction_alone(conn, person):
    await keep_up(conn, person)
    row = await conn.fetchrow("SELECT posted_on, transaction_id FROM transactions WHERE description = 'ONLY ONCE'")
    head = await conn.fetchrow("SELECT newest_on, newest_id FROM search_slices ORDER BY 1 DESC, 2 DESC LIMIT 1")
    seen = []
    with conn.query_logger(seen.append):
        await everything(conn, person, Search(["once"], TransactionFilter()))
    walked = [item.args[1:5] for item in seen if "ORDER BY found.posted_on DESC" in item.query]
    assert walked[0][2:] == ([head["newest_on"]], [head["newest_id"] + 1])
    assert walked[1:] == [([row["posted_on"]], [row["transaction_id"]]) * 2]


async def test_a_rare_word_takes_as_many_statements_however_many_slices_there_are(conn, person):
    await keep_up(conn, person)
    seen = []
    with conn.query_logger(seen.append):
        async with acting_as(conn, person.user_id):
            await search(conn, person.user_id, Search(["once"], TransactionFilter()), None, PAGE)
    asked = [item.query.split("-- name")[0] for item in seen]
    assert len([query for query in asked if "search_grams" in query]) == 1
    assert len([query for query in asked if "found.key" in query]) == 1
    assert len([query for query in asked if "found.posted_on" in query]) == 2


async def test_sellers_are_known_without_a_look_at_them_but_for_those_that_changed(conn, person):
    await keep_up(conn, person)
    await create_transaction(
        conn, person.user_id, person.account_id, posted_on=LAST, description="X", merchant="Pharmacy"
    )
    async with acting_as(conn, person.user_id):
        known = await search_index.seller_words(conn, person.user_id)
    assert known == {"cafe", "oil", "market", "once", "pharmacy"}
    seen = []
    with conn.query_logger(seen.append):
        await everything(conn, person, Search(["farmacy"], TransactionFilter()))
    assert not [item for item in seen if "WITH RECURSIVE sellers" in item.query]


async def test_few_transactions_are_not_written_down(conn, person, monkeypatch):
    monkeypatch.setattr(search_index_build, "TRANSACTIONS_MIN", 5_000)
    assert await keep_up(conn, person) == []


async def test_after_more_changes_than_are_told_apart_every_row_is_looked_at_and_written_anew(
    conn, person, monkeypatch
):
    await keep_up(conn, person)
    for module in (search_index, search_index_build):
        monkeypatch.setattr(module, "CHANGES_MAX", 3)
    await conn.execute("UPDATE transactions SET note = 'all of them'")
    asked = Search(["them"], TransactionFilter())
    assert len((await everything(conn, person, asked))[0]) == 101
    before = await conn.fetchval("SELECT max(slice_id) FROM search_slices")
    assert await keep_up(conn, person) == [20, 20, 20, 20, 9]
    assert await conn.fetchval("SELECT min(slice_id) FROM search_slices") > before
    assert len((await everything(conn, person, asked))[0]) == 101


async def test_only_slices_with_changes_are_written_anew_and_the_newest_grow_together(conn, person):
    await keep_up(conn, person)
    ids = [row["slice_id"] for row in await conn.fetch("SELECT slice_id FROM search_slices ORDER BY newest_on")]
    await conn.execute("UPDATE transactions SET note = 'old' WHERE posted_on < $1", LAST - timedelta(days=380))
    for place in range(1, 7):
        await create_transaction(conn, person.user_id, person.account_id, posted_on=LAST + timedelta(days=place))
    assert await keep_up(conn, person) == [20, 20, 20, 20, 15]
    after = [row["slice_id"] for row in await conn.fetch("SELECT slice_id FROM search_slices ORDER BY newest_on")]
    assert [one in ids for one in after] == [False, True, True, True, False]


async def test_few_changes_are_not_worth_writing_until_it_is_long_ago(conn, person):
    await keep_up(conn, person)
    before = await conn.fetchval("SELECT rows_seq FROM search_persons")
    await conn.execute("UPDATE transactions SET note = 'old' WHERE description = 'ONLY ONCE'")
    await keep_up(conn, person)
    assert await conn.fetchval("SELECT rows_seq FROM search_persons") == before
    assert await conn.fetchval("SELECT words_seq FROM search_persons") > before
    await keep_up(conn, person, NOW + timedelta(days=100))
    assert await conn.fetchval("SELECT rows_seq FROM search_persons") > before


async def test_what_was_written_too_long_ago_is_not_believed(conn, person):
    await keep_up(conn, person, NOW - timedelta(days=301))
    await conn.execute("UPDATE transactions SET note = 'forgotten by the log' WHERE description = 'ONLY ONCE'")
    await conn.execute("DELETE FROM transaction_changes")
    assert len((await everything(conn, person, Search(["forgotten"], TransactionFilter())))[0]) == 1


async def test_months_that_were_moved_out_and_may_be_back_are_walked(conn, person):
    await keep_up(conn, person)
    await conn.execute(
        "INSERT INTO archived_months (user_id, month, state, object_key, digest, row_count, first_id, last_id, first_on,"
        " account_ids, tags, tag_counts, sum_category_ids, sum_currencies, sum_minor, sum_counts, sum_excluded_minor,"
        " archived_at, restored_at) VALUES ($1::bigint, '2026-01-01', 'restored', format('archive/%s/', $1), sha256(''),"
        " 1, 1, 1, '2026-01-01', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', now(), now())",
        person.user_id,
    )  # fmt: skip
    await conn.execute("UPDATE transactions SET description = 'BACK AGAIN' WHERE description = 'ONLY ONCE'")
    await conn.execute("DELETE FROM transaction_changes")
    assert len((await everything(conn, person, Search(["again"], TransactionFilter())))[0]) == 1
    await conn.execute("UPDATE transactions SET note = 'new' WHERE posted_on > $1", LAST - timedelta(days=20))
    assert sum(await keep_up(conn, person)) < 89
    assert len((await everything(conn, person, Search(["again"], TransactionFilter())))[0]) == 1
    assert len((await everything(conn, person, Search(["seattle"], TransactionFilter())))[0]) == 50


async def test_a_member_of_a_household_reads_nothing_of_it(conn, person):
    await keep_up(conn, person)
    async with conn.transaction():
        await conn.execute("SET LOCAL ROLE mintql_household")
        await conn.execute("SELECT set_config('mintql.user_id', $1, true)", str(person.user_id))
        for table in ("search_persons", "search_slices", "search_grams"):
            assert await conn.fetchval(f"SELECT count(*) FROM {table}") == 0


async def test_a_worker_that_goes_away_loses_one_slice_and_the_next_one_goes_on(conn, person):
    before = [await everything(conn, person, asked) for asked in ASKED]
    with pytest.raises(WorkerGoneError):
        await search_index_build.keep_up(beginning(conn, steps=3), person.user_id, NOW)
    assert await sizes(conn) == [20, 20]
    assert [await everything(conn, person, asked) for asked in ASKED] == before
    ids = [row["slice_id"] for row in await conn.fetch("SELECT slice_id FROM search_slices ORDER BY newest_on")]
    assert await keep_up(conn, person) == [20, 20, 20, 20, 9]
    after = [row["slice_id"] for row in await conn.fetch("SELECT slice_id FROM search_slices ORDER BY newest_on")]
    assert after[:2] == ids
    assert [await everything(conn, person, asked) for asked in ASKED] == before


async def test_a_worker_that_goes_away_while_slices_are_written_anew_leaves_them_right(conn, person):
    await keep_up(conn, person)
    await conn.execute("UPDATE transactions SET note = 'zzzqqq' WHERE merchant = 'Oil'")
    before = [await everything(conn, person, asked) for asked in ASKED]
    for steps in (1, 2, 3, 4):
        with pytest.raises(WorkerGoneError):
            await search_index_build.keep_up(beginning(conn, steps=steps), person.user_id, NOW)
        assert [await everything(conn, person, asked) for asked in ASKED] == before
    assert sum(await keep_up(conn, person)) == 89
    assert [await everything(conn, person, asked) for asked in ASKED] == before


async def test_a_slice_that_has_grown_too_large_is_written_in_two(conn, person):
    await keep_up(conn, person)
    for number in range(4):
        await create_transaction(
            conn, person.user_id, person.account_id, posted_on=LAST - timedelta(days=390), description=f"LATE {number}"
        )
    assert await keep_up(conn, person) == [12, 12, 20, 20, 20, 9]


async def test_who_finds_somebody_at_it_does_not_wait(conn, person, database_url):
    await keep_up(conn, person)
    await conn.execute("UPDATE transactions SET note = 'changed'")
    before = await conn.fetchval("SELECT rows_seq FROM search_persons")
    other = await asyncpg.connect(database_url)
    try:
        async with other.transaction():
            assert await store.lock(other, person.user_id)
            await conn.execute("SET lock_timeout = '1s'")
            assert await keep_up(conn, person) == [20, 20, 20, 20, 9]
            assert await conn.fetchval("SELECT rows_seq FROM search_persons") == before
    finally:
        await other.close()
    await keep_up(conn, person)
    assert await conn.fetchval("SELECT rows_seq FROM search_persons") > before


@pytest.mark.parametrize("newest_first", [True, False])
@pytest.mark.parametrize("steps", [0, 1, 2, 4])
async def test_what_is_written_anew_while_it_is_read_is_found_all_the_same(
    conn, person, monkeypatch, steps, newest_first
):
    """All of it is thrown away and begun anew between two statements of a search."""
    await keep_up(conn, person)
    keys = {tuple(row) for row in await conn.fetch("SELECT posted_on, transaction_id FROM transactions")}
    place = count_from()
    for name in ("slices", "keys"):
        monkeypatch.setattr(store, name, after_a_new_beginning(getattr(store, name), conn, person, place, steps))
    found = []
    async for lot in search_index.lots(
        conn, person.user_id, Stretch(KEY_NEWEST, KEY_OLDEST), Words([["seattle"]]), newest_first=newest_first
    ):
        found += [key for one in lot for key in sorted(keys) if one.oldest <= key <= one.newest]
    seattle = await conn.fetch("SELECT posted_on, transaction_id FROM transactions WHERE description LIKE '%SEATTLE%'")
    assert {tuple(row) for row in seattle} <= set(found)
    assert len(found) == len(set(found))


def after_a_new_beginning(ask, conn, person, place, steps):
    """Ask the second statement of all only after everything was thrown away, and so many slices written anew."""

    async def asking(*arguments):
        if next(place) == 1:
            await conn.execute("UPDATE search_persons SET rows_seq = NULL")
            with contextlib.suppress(WorkerGoneError):
                await search_index_build.keep_up(beginning(conn, steps=steps + 1), person.user_id, NOW)
        return await ask(*arguments)

    return asking


async def test_what_is_like_a_word_has_as_many_of_its_stretches_as_is_asked_for(conn):
    dice = random.Random(3)
    pairs = []
    for _ in range(3_000):
        word = "".join(dice.choices("abcde", k=dice.randint(4, 12)))
        place = dice.randrange(len(word))
        other = word[:place] + dice.choice(["", "x", "a", " "]) + word[place + dice.randrange(3) :]
        pairs.append((word, f"{dice.choice(['', 'ab ', 'c'])}{other}{dice.choice(['', ' de', 'b'])}"))
    words, texts = [word for word, _ in pairs], [text for _, text in pairs]
    like = await conn.fetch(
        "SELECT word, text FROM unnest($1::text[], $2::text[]) AS pair (word, text)"
        " WHERE word_similarity(word, text) >= 0.6", words, texts,
    )  # fmt: skip
    assert 500 < len(like) < 2_500
    for word, text in like:
        pieces = {word[start : start + 3] for start in range(len(word) - 2)}
        assert sum(piece in text for piece in pieces) >= alike_least(word) or not any(piece in text for piece in pieces)
