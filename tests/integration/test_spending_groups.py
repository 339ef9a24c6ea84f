"""Spending is the same to the cent however it is grouped, cut and compared, and the same as rows added by hand."""

from __future__ import annotations

import itertools
import random
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest

from mintql.domain.categories import CategoryKind
from mintql.domain.errors import InvalidInput
from mintql.domain.intervals import Interval, earlier, periods_of
from mintql.domain.periods import Period
from mintql.domain.rates import ManualRate, Rate
from mintql.services.spending import spending
from mintql.services.spending_groups import Asked, Comparison, GroupBy, summarize
from mintql.store import rates
from mintql.store.summaries import LineFilter
from support.factories import create_account, create_person, create_transaction
from support.people import acting_as, category

SLUGS = ("groceries", "restaurants", "rent", "paycheck", "account-transfer", "uncategorized", "fuel", "interest-income")
OWN_EXPENSE, OWN_INCOME = 10_001, 10_002
START = date(2026, 8, 20)
DAYS = 100


async def own_categories(conn, user_id):
    await conn.execute(
        "INSERT INTO personal_categories (user_id, category_id, name, kind, icon, parent_id) VALUES "
        "($1, 10000, 'Hobbies', 'expense', 'tag', NULL), ($1, 10001, 'Chess', 'expense', 'tag', 10000), "
        "($1, 10003, 'Side jobs', 'income', 'tag', NULL), ($1, 10002, 'Lessons', 'income', 'tag', 10003)",
        user_id,
    )


async def fill(conn, chance, count=200):
    """Write random transactions of two accounts and currencies; return the person."""
    person = await create_person(conn)
    await own_categories(conn, person.user_id)
    euros = await create_account(conn, person.user_id, person.connection_id, currency="EUR")
    ids = [category(slug) for slug in SLUGS] + [OWN_EXPENSE, OWN_INCOME]
    for _ in range(count):
        in_euros = chance.random() < 0.3
        transaction_id = await create_transaction(
            conn,
            person.user_id,
            euros if in_euros else person.account_id,
            currency="EUR" if in_euros else "USD",
            posted_on=START + timedelta(days=chance.randrange(DAYS)),
            amount_minor=chance.choice([-1, -1, -1, 1]) * chance.randrange(1, 20_000),
            category_id=chance.choice(ids),
            merchant=f"Seller {chance.randrange(12)}",
            pending=chance.random() < 0.1,
        )
        parts = [(chance.choice(ids), -chance.randrange(1, 500)) for _ in range(chance.choice([0, 0, 0, 1, 2]))]
        await conn.execute(
            "UPDATE transactions SET part_category_ids = $2, part_amounts_minor = $3, part_notes = $4, tags = $5, "
            "excluded_from_budgets = $6, removed_at = $7 WHERE transaction_id = $1",
            transaction_id,
            [one for one, _ in parts] or None,
            [amount for _, amount in parts] or None,
            [""] * len(parts) or None,
            chance.sample(["trip", "work", "gift"], chance.choice([0, 0, 1, 2])) or None,
            chance.choice([None, False, True]),
            chance.choice([None] * 9 + [datetime(2026, 12, 1, tzinfo=UTC)]),
        )
    return person


async def by_hand(conn, user_id, tree):
    """Return (day, keys by grouping, currency, amount, pending, excluded) of each counted part that is spending."""
    found = []
    rows = await conn.fetch(
        "SELECT * FROM transactions WHERE user_id = $1 AND removed_at IS NULL AND successor_id IS NULL", user_id
    )
    for row in rows:
        parts = list(zip(row["part_category_ids"] or (), row["part_amounts_minor"] or (), strict=True))
        rest = row["amount_minor"] - sum(amount for _, amount in parts)
        for category_id, amount in [(row["category_id"], rest), *parts]:
            one = tree.by_id[category_id]
            if one.kind is CategoryKind.EXPENSE:
                keys = {
                    GroupBy.CATEGORY: [category_id],
                    GroupBy.GROUP: [one.parent_id or category_id],
                    GroupBy.MERCHANT: [row["merchant_key"]],
                    GroupBy.ACCOUNT: [str(row["account_id"])],
                    GroupBy.TAG: row["tags"] or [None],
                }
                found.append((row["posted_on"], keys, row["currency"], -amount, row["pending"],
                              bool(row["excluded_from_budgets"])))  # fmt: skip
    return found


def summed(parts, span, grouping):
    """Return (spent, pending, excluded, count) by key and currency."""
    found = defaultdict(lambda: [0, 0, 0, 0])
    for day, keys, currency, amount, pending, excluded in parts:
        if span.first <= day <= span.last:
            for key in keys[grouping] if grouping else [""]:
                sums = found[key, currency]
                sums[1 if pending else 0] += amount
                sums[2] += amount if excluded else 0
                sums[3] += 1
    return {key: tuple(sums) for key, sums in found.items()}


def shown(groups):
    return {
        (one.category_id or one.key, one.currency): (one.spent_minor, one.pending_minor, one.excluded_minor, one.count)
        for one in groups
    }


def totals_of(period):
    return {
        ("", one.currency): (one.spent_minor, one.pending_minor, one.excluded_minor, one.count) for one in period.totals
    }


def something(sums):
    return {key: found for key, found in sums.items() if found != (0, 0, 0, 0)}


@pytest.mark.parametrize("seed", range(3))
async def test_every_grouping_and_interval_gives_what_the_rows_give_by_hand(conn, seed):
    chance = random.Random(seed)
    person = await fill(conn, chance)
    began = await conn.fetchval("SELECT min(posted_on) FROM transactions WHERE removed_at IS NULL")
    for group_by, interval in itertools.product(GroupBy, Interval):
        first = START + timedelta(days=chance.randrange(40))
        span = Period(chance.choice([first, first.replace(day=1)]), START + timedelta(days=DAYS - chance.randrange(40)))
        async with acting_as(conn, person.user_id):
            asked = Asked(span.first, span.last, group_by, interval, compared=3)
            found = await summarize(conn, person.user_id, asked)
        parts = await by_hand(conn, person.user_id, found.tree)
        assert [period.span for period in found.periods] == periods_of(span, interval)
        for period in found.periods:
            assert shown(period.groups) == summed(parts, period.span, group_by)
            assert totals_of(period) == summed(parts, period.span, None)
        assert something(shown(found.overall.groups)) == summed(parts, span, group_by)
        assert something(totals_of(found.overall)) == summed(parts, span, None)
        spans = [earlier(span, steps, interval) for steps in (1, 2, 3)]
        assert found.compared == spans
        before = [summed(parts, one, group_by) for one in spans]
        for one in found.overall.groups:
            amounts = [sums.get((one.category_id or one.key, one.currency), (0,))[0] for sums in before]
            known = [amount for amount, earlier_span in zip(amounts, spans, strict=True) if began <= earlier_span.first]
            mean = round(Fraction(sum(known), len(known))) if known else None
            assert one.comparison == Comparison(amounts[0], mean, len(known))


async def test_whole_months_are_what_monthly_spending_says_and_every_grouping_has_the_same_totals(conn):
    person = await fill(conn, random.Random(7))
    async with acting_as(conn, person.user_id):
        months = await spending(conn, person.user_id, date(2026, 9, 1), date(2026, 11, 1))
        summaries = {
            group_by: await summarize(
                conn, person.user_id, Asked(date(2026, 9, 1), date(2026, 11, 30), group_by, Interval.MONTH)
            )
            for group_by in GroupBy
        }
    for place, month in enumerate(months):
        expected = {
            (line.category.category_id, line.currency):
                (line.posted_minor, line.pending_minor, line.excluded_minor, line.transactions)
            for line in month.categories if line.category.kind is CategoryKind.EXPENSE
        }  # fmt: skip
        assert expected
        assert shown(summaries[GroupBy.CATEGORY].periods[place].groups) == expected
        for found in summaries.values():
            assert totals_of(found.periods[place]) == totals_of(summaries[GroupBy.CATEGORY].periods[place])
            if found is not summaries[GroupBy.TAG]:
                spent = defaultdict(int)
                for one in found.periods[place].groups:
                    spent[one.currency] += one.spent_minor
                assert spent == {one.currency: one.spent_minor for one in found.periods[place].totals}


async def test_a_total_in_one_currency_takes_the_rate_of_each_day_and_names_what_it_could_not_convert(conn):
    person = await create_person(conn)
    euros = await create_account(conn, person.user_id, person.connection_id, currency="EUR")
    yen = await create_account(conn, person.user_id, person.connection_id, currency="JPY")

    async def buy(amount_minor, posted_on, account_id, currency, **more):
        await create_transaction(
            conn, person.user_id, account_id, amount_minor=amount_minor, posted_on=posted_on, currency=currency, **more
        )

    await buy(-1_000, date(2026, 11, 2), person.account_id, "USD")
    await buy(-1_000, date(2026, 11, 3), euros, "EUR")
    await buy(-1_001, date(2026, 11, 8), euros, "EUR")
    await buy(-300, date(2026, 11, 9), euros, "EUR", pending=True)
    await buy(-500, date(2026, 11, 3), yen, "JPY")
    await rates.save(
        conn,
        [Rate("USD", date(2026, 11, 3), Decimal("1.1")), Rate("USD", date(2026, 11, 6), Decimal("1.5"))],
        "file",
    )
    asked = Asked(date(2026, 11, 1), date(2026, 11, 30), in_currency="USD")
    async with acting_as(conn, person.user_id):
        found = (await summarize(conn, person.user_id, asked)).overall
    assert (found.spent_in.amount_minor, found.spent_in.not_converted) == (1_000 + 1_100 + 1_502, (("JPY", 500),))
    assert (found.pending_in.amount_minor, found.pending_in.not_converted) == (450, ())
    (use,) = found.spent_in.rates
    assert (use.currency, use.first_on, use.last_on, use.manual) == ("EUR", date(2026, 11, 3), date(2026, 11, 6), False)

    await rates.set_manual(conn, person.user_id, ManualRate("JPY", "USD", date(2026, 11, 1), Decimal("0.01")), 10)
    async with acting_as(conn, person.user_id):
        found = (await summarize(conn, person.user_id, asked)).overall
    assert (found.spent_in.amount_minor, found.spent_in.not_converted) == (1_000 + 1_100 + 1_502 + 500, ())


async def test_a_filter_narrows_groups_and_totals_and_of_a_split_only_the_part_in_the_category_counts(conn):
    person = await fill(conn, random.Random(3))
    wanted = LineFilter(frozenset({person.account_id}), frozenset({"trip"}), None, excluded_from_budgets=False)
    ids = frozenset({category("groceries"), category("rent")})
    asked = Asked(START, START + timedelta(days=DAYS), GroupBy.CATEGORY, Interval.YEAR, wanted, ids)
    async with acting_as(conn, person.user_id):
        found = await summarize(conn, person.user_id, asked)
    parts = [
        part for part in await by_hand(conn, person.user_id, found.tree)
        if part[1][GroupBy.CATEGORY][0] in ids and "trip" in part[1][GroupBy.TAG] and not part[5]
        and part[1][GroupBy.ACCOUNT] == [str(person.account_id)]
    ]  # fmt: skip
    assert parts
    assert shown(found.overall.groups) == summed(parts, found.overall.span, GroupBy.CATEGORY)


async def test_what_would_be_too_much_is_refused_in_words(conn):
    person = await create_person(conn)
    for asked, words in [
        (Asked(date(2026, 11, 2), date(2026, 11, 1)), "before it begins"),
        (Asked(date(2020, 1, 1), date(2026, 11, 1), interval=Interval.DAY), "more than 400 periods of a day"),
        (Asked(date(2026, 1, 1), date(2026, 11, 1), compared=13), "0 to 12 can be compared"),
    ]:
        async with acting_as(conn, person.user_id):
            with pytest.raises(InvalidInput, match=words):
                await summarize(conn, person.user_id, asked)


async def test_another_persons_spending_is_not_seen(conn):
    ada, eve = await fill(conn, random.Random(1), 20), await create_person(conn)
    async with acting_as(conn, eve.user_id):
        for group_by in GroupBy:
            found = await summarize(conn, ada.user_id, Asked(START, START + timedelta(days=DAYS), group_by, compared=2))
            assert (found.overall.groups, found.overall.totals) == ([], [])
