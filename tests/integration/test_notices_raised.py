"""What comes in raises notifications: large and unusual charges, low balances, connections that wait."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from mintql.domain.errors import AuthRequired, NotFound
from mintql.domain.ids import ConnectionId, NotificationId, UserId
from mintql.domain.money import Money
from mintql.domain.notices import NoticeKind
from mintql.services import examination, notification_settings
from mintql.store import notices_read
from mintql.store.notices_read import NoticeRow
from support.factories import create_override
from support.people import category
from support.pipeline import Pipeline, open_pipeline
from support.scripted import page, row

DAY = date(2026, 11, 11)
WINDOW = (date(2026, 11, 5), date(2026, 11, 12))
HOME = "HOMESTEAD FURNITURE"


@pytest.fixture
async def bank(database_url: str, tmp_path: Path) -> AsyncIterator[Pipeline]:
    async with open_pipeline(database_url, tmp_path / "objects") as pipeline:
        yield pipeline


def past(count: int = 60, amount_minor: int = -1_500, **more: object) -> list[dict[str, object]]:
    """Purchases of the last half year, three days apart, before the last week."""
    return [
        row(f"past-{number}", amount_minor - number, date(2026, 11, 1) - timedelta(days=2 * number), **more)
        for number in range(count)
    ]


async def shopper(bank: Pipeline, *rows: dict[str, object]) -> tuple[UserId, ConnectionId]:
    """A person whose history was read."""
    user_id, connection_id = await bank.person()
    await bank.refresh(user_id, connection_id, page(*(rows or past())), reason="link")
    assert await told(bank, user_id) == [], "history is no news"
    return user_id, connection_id


async def told(bank: Pipeline, user_id: UserId, *kinds: NoticeKind) -> list[NoticeRow]:
    """What the person was told of these kinds, the oldest first, after their rows were looked at."""
    await examination.examine_due(bank.begin, bank.perform, lambda: bank.now)
    wanted = kinds or (
        NoticeKind.LARGE_TRANSACTION, NoticeKind.UNUSUAL_TRANSACTION, NoticeKind.LOW_BALANCE, NoticeKind.SYNC_ATTENTION
    )  # fmt: skip
    async with bank.begin() as conn:
        return (await notices_read.before(conn, user_id, NotificationId(2**62), 100, kinds=wanted))[::-1]


async def test_a_large_purchase_is_told_once_however_often_it_is_read(bank: Pipeline) -> None:
    user_id, connection_id = await shopper(bank, *past(), row("sofa-0", -30_000, date(2026, 10, 1), description=HOME))
    sofa = row("sofa", -42_000, DAY, description=HOME)
    for _ in range(3):
        await bank.refresh(user_id, connection_id, page(sofa, row("coffee", -450, DAY), window=WINDOW))
        (notice,) = await told(bank, user_id)
    assert notice.kind is NoticeKind.LARGE_TRANSACTION
    assert (notice.amount_minor, notice.currency, notice.period_first) == (42_000, "USD", DAY)
    assert "420.00 USD on 11 November" in notice.body
    assert (
        await bank.value("SELECT external_id FROM transactions WHERE transaction_id = $1", *notice.transaction_ids)
        == "sofa"
    )


async def test_a_pending_charge_that_is_posted_under_another_id_is_told_once(bank: Pipeline) -> None:
    user_id, connection_id = await shopper(bank)
    await bank.refresh(
        user_id, connection_id, page(row("p1", -42_000, DAY, description=HOME, pending=True), window=WINDOW)
    )
    (notice,) = await told(bank, user_id)
    assert "(pending)" in notice.body
    posted = row("t1", -44_000, DAY, description=HOME, pending_external_id="p1")
    await bank.refresh(user_id, connection_id, page(posted, window=WINDOW))
    assert [item.notification_id for item in await told(bank, user_id)] == [notice.notification_id]
    assert await bank.value("SELECT count(*) FROM transactions WHERE amount_minor <= -42000") == 2


async def test_the_limit_is_the_persons_to_choose(bank: Pipeline) -> None:
    user_id, connection_id = await shopper(bank)
    async with bank.begin() as conn:
        await notification_settings.set_large(conn, user_id, Money(2_000, "USD"), bank.now)
    await bank.refresh(user_id, connection_id, page(row("t1", -2_000, DAY), row("t2", -1_999, DAY), window=WINDOW))
    (notice,) = await told(bank, user_id)
    assert (notice.amount_minor, notice.limit_minor) == (2_000, 2_000)
    assert "You asked to be told from 20.00 USD on." in notice.body


async def test_old_charges_refunds_and_own_transfers_are_no_news(bank: Pipeline) -> None:
    user_id, connection_id = await shopper(bank)
    await bank.refresh(
        user_id,
        connection_id,
        page(
            row("old", -90_000, date(2026, 11, 4), description=HOME),
            row("refund", 90_000, DAY, description=HOME),
            row("transfer", -90_000, DAY, description="ONLINE TRANSFER TO SAVINGS"),
        ),
    )
    await bank.fetch(
        "UPDATE transactions SET category_id = $1 WHERE external_id = 'transfer'", category("savings-transfer")
    )
    assert await told(bank, user_id) == []


async def test_an_account_that_shows_up_brings_history(bank: Pipeline) -> None:
    user_id, connection_id = await shopper(bank)
    rows = [row("t1", -90_000, DAY, account_external_id="second", description=HOME)]
    await bank.refresh(user_id, connection_id, page(*rows, accounts=("card", "second")))
    assert await told(bank, user_id) == []


async def test_a_charge_far_above_the_sellers_others_is_unusual(bank: Pipeline) -> None:
    power = [row(f"power-{n}", -9_500 - n, date(2026, 10 - n, 3), description="CITY POWER AND LIGHT") for n in range(6)]
    user_id, connection_id = await shopper(bank, *past(), *power)
    await bank.refresh(
        user_id, connection_id, page(row("t1", -42_000, DAY, description="CITY POWER AND LIGHT"), window=WINDOW)
    )
    (notice,) = await told(bank, user_id)
    assert notice.kind is NoticeKind.UNUSUAL_TRANSACTION
    assert (notice.amount_minor, notice.limit_minor) == (42_000, 9_502)
    assert "Its last 6 charges were mostly about 95.02 USD." in notice.body


async def test_the_same_charge_twice_is_told_with_both(bank: Pipeline) -> None:
    user_id, connection_id = await shopper(bank)
    twice = [row("t1", -3_150, DAY, description=HOME), row("t2", -3_150, DAY, description=HOME)]
    for _ in range(2):
        await bank.refresh(user_id, connection_id, page(*twice, window=WINDOW))
        (notice,) = await told(bank, user_id)
    assert notice.title.startswith("Charged twice? ")
    assert len(notice.transaction_ids) == 2


async def test_one_persons_purchases_are_nothing_to_another(bank: Pipeline) -> None:
    user_id, connection_id = await shopper(bank)
    other, _ = await shopper(bank)
    await bank.refresh(user_id, connection_id, page(row("t1", -120_000, DAY, description=HOME), window=WINDOW))
    assert len(await told(bank, user_id)) == 1
    assert await told(bank, other) == []


async def hold(bank: Pipeline, user_id: UserId, balance_minor: int) -> list[NoticeRow]:
    """What a person was told of low balances once their checking account holds this."""
    bank.now += timedelta(minutes=1)
    await bank.fetch(
        "UPDATE accounts SET kind = 'checking', balance_minor = $2, available_minor = NULL, balance_at = $3"
        " WHERE user_id = $1",
        user_id, balance_minor, bank.now,
    )  # fmt: skip
    async with bank.begin() as conn:
        await examination.mark(conn, [user_id], bank.now)
    return await told(bank, user_id, NoticeKind.LOW_BALANCE)


async def test_a_low_balance_is_told_once_and_again_after_it_has_recovered(bank: Pipeline) -> None:
    user_id, _ = await shopper(bank)
    assert await hold(bank, user_id, 10_000) == []
    (notice,) = await hold(bank, user_id, 9_999)
    assert (notice.amount_minor, notice.limit_minor, notice.title) == (9_999, 10_000, "Low balance: Card, 99.99 USD")
    assert len(await hold(bank, user_id, 50)) == 1
    assert len(await hold(bank, user_id, 20_000)) == 1
    assert len(await hold(bank, user_id, 50)) == 2


async def test_the_limit_of_an_account_is_the_persons_to_choose(bank: Pipeline) -> None:
    user_id, _ = await shopper(bank)
    stranger, _ = await shopper(bank)
    await hold(bank, user_id, 50_000)
    account_id = await bank.value("SELECT account_id FROM accounts WHERE user_id = $1", user_id)
    async with bank.begin() as conn:
        with pytest.raises(NotFound):
            await notification_settings.set_low_balance(conn, stranger, account_id, None, never=True, now=bank.now)
        await notification_settings.set_low_balance(
            conn, user_id, account_id, Money(60_000, "USD"), never=False, now=bank.now
        )
    assert len(await told(bank, user_id, NoticeKind.LOW_BALANCE)) == 1
    async with bank.begin() as conn:
        await notification_settings.set_low_balance(conn, user_id, account_id, None, never=True, now=bank.now)
    assert len(await hold(bank, user_id, -5_000)) == 1


async def test_a_connection_that_waits_for_its_person_is_told_once_for_each_time(bank: Pipeline) -> None:
    user_id, connection_id = await shopper(bank)
    refused = AuthRequired("The bank refused the password.")
    bank.institution.failure = refused
    for _ in range(2):
        await bank.refresh(user_id, connection_id)
        (notice,) = await told(bank, user_id)
    assert (notice.kind, notice.connection_id) == (NoticeKind.SYNC_ATTENTION, connection_id)
    assert notice.title == "Card: your help is needed"
    assert notice.body == (
        "The bank refused the password. Enter the login and password for this institution again. Transactions after "
        "12 November may be missing until then."
    )
    bank.institution.failure = None
    await bank.fetch("UPDATE connections SET status = 'active'")
    await bank.refresh(user_id, connection_id, page(row("t1", -1, DAY)))
    bank.institution.failure = refused
    await bank.refresh(user_id, connection_id)
    assert len(await told(bank, user_id)) == 2


async def test_a_budget_that_is_exceeded_names_its_causes_and_its_end(bank: Pipeline) -> None:
    user_id, connection_id = await shopper(bank)
    async with bank.begin() as conn:
        await create_override(conn, user_id, category_id=category("coffee"), month=date(2026, 11, 1), limit_minor=5_000)
    purchases = [row("t1", -4_600, DAY), row("t2", -700, DAY)]
    await bank.refresh(user_id, connection_id, page(*purchases, window=WINDOW))
    (notice,) = await told(bank, user_id, NoticeKind.BUDGET_EXCEEDED, NoticeKind.BUDGET_APPROACHING)
    assert notice.kind is NoticeKind.BUDGET_EXCEEDED
    spent = await bank.value("SELECT -sum(posted_minor)::bigint FROM monthly_spending WHERE month = '2026-11-01'")
    assert (notice.amount_minor, notice.limit_minor) == (spent, 5_000)
    assert "Most of it: Blue Bottle Coffee 46.00 USD, " in notice.body
    assert notice.body.endswith("The budget runs until 30 November: 18 more days.")
    names = await bank.value(
        "SELECT array_agg(external_id) FROM transactions WHERE transaction_id = ANY ($1)", notice.transaction_ids[:1]
    )
    assert names == ["t1"]
