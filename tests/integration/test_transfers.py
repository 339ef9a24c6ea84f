"""Transfers in the database: paired as rows come in, followed whatever becomes of them, and given back to the cent."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from mintql.data import load_categories
from mintql.domain.categories import OWN_ID_MIN, CategorySource
from mintql.domain.errors import InvalidInput, NotFound
from mintql.domain.ids import TransactionId, TransferId
from mintql.jobs import search_transfers
from mintql.services import annotations, transfers
from mintql.services.annotations import PartWish
from mintql.services.choices import Scope, recategorize
from mintql.services.choices import undo as undo_choice
from mintql.services.connections import disconnect
from mintql.services.reconcile import reconcile_page
from mintql.services.transfer_clues import may_be_found
from support.factories import create_account, create_person, create_transaction
from support.importer import Importer
from support.people import acting_as, category
from support.pipeline import open_pipeline
from support.scripted import row

NOW = datetime(2026, 11, 12, 10, 0, tzinfo=UTC)
DAY = date(2026, 11, 3)
KINDS = {"checking": "checking", "savings": "savings", "card": "credit_card", "broker": "investment", "loan": "loan"}


def said(*rows: dict[str, Any], accounts: tuple[str, ...] = ("checking", "savings", "card"), **more: Any) -> bytes:
    shown = [{"id": name, "kind": KINDS[name]} for name in accounts]
    return json.dumps({"accounts": shown, "rows": rows, "removed": [], "windows": [], "rejected": []} | more).encode()


def on(
    account: str, external_id: str, amount_minor: int, description: str, day: int = 0, **more: Any
) -> dict[str, Any]:
    return row(
        external_id,
        amount_minor,
        DAY + timedelta(days=day),
        account_external_id=account,
        description=description,
        **more,
    )


PAYMENT = on("checking", "pay", -45_000, "CREDIT CARD AUTOPAY PYMT ...9921")
RECEIVED = on("card", "paid", 45_000, "AUTOMATIC PAYMENT - THANK YOU", day=2)


@pytest.fixture
async def pipeline(database_url, tmp_path):
    async with open_pipeline(database_url, tmp_path) as opened:
        yield opened


@pytest.fixture
async def database(pipeline):
    """The owner's connection to the database of the pipeline."""
    async with pipeline.pool.acquire() as conn:
        yield conn


@pytest.fixture
async def owner(pipeline):
    """A person with a connection to a bank where they have several accounts."""
    return await pipeline.person()


async def rows_of(pipeline, user_id: int) -> dict[str, tuple[str, str, str]]:
    """Category, source and other side of each row that counts, by the bank's id for it."""
    ids = {
        item["transaction_id"]: item["external_id"]
        for item in await pipeline.fetch(
            "SELECT transaction_id, external_id FROM transactions WHERE user_id = $1", user_id
        )
    }
    slugs = {category(slug): slug for slug in SLUGS}
    found = await pipeline.fetch(
        "SELECT external_id, category_id, category_source, category_detail FROM transactions WHERE user_id = $1"
        " AND successor_id IS NULL AND removed_at IS NULL",
        user_id,
    )
    return {
        item["external_id"]: (
            slugs.get(item["category_id"], str(item["category_id"])),
            item["category_source"],
            ids.get(int(item["category_detail"]), "?") if item["category_source"] == "transfer" else "",
        )
        for item in found
    }


SLUGS = (
    "uncategorized", "credit-card-payment", "savings-transfer", "investment-transfer", "account-transfer",
    "loan-payment", "clothing", "coffee", "person-to-person", "wire-transfer",
)  # fmt: skip


async def pairs_of(pipeline, user_id: int) -> list[tuple[str, str, str]]:
    found = await pipeline.fetch(
        "SELECT o.external_id AS out, i.external_id AS into, pair.state FROM transfers AS pair"
        " JOIN transactions AS o ON o.user_id = pair.user_id AND o.transaction_id = pair.out_id"
        " JOIN transactions AS i ON i.user_id = pair.user_id AND i.transaction_id = pair.in_id"
        " WHERE pair.user_id = $1 ORDER BY 1, 2",
        user_id,
    )
    return [(item["out"], item["into"], item["state"]) for item in found]


async def sums_of(pipeline, user_id: int) -> dict[str, int]:
    slugs = {category(slug): slug for slug in SLUGS}
    found = await pipeline.fetch(
        "SELECT category_id, sum(posted_minor + pending_minor)::bigint AS minor FROM monthly_spending"
        " WHERE user_id = $1 GROUP BY 1 HAVING sum(posted_count + pending_count) > 0",
        user_id,
    )
    return {slugs.get(item["category_id"], str(item["category_id"])): item["minor"] for item in found}


async def transfer_id(pipeline, user_id: int) -> TransferId:
    return TransferId(await pipeline.value("SELECT max(transfer_id) FROM transfers WHERE user_id = $1", user_id))


async def transaction_id(pipeline, user_id: int, external_id: str) -> TransactionId:
    return TransactionId(
        await pipeline.value(
            "SELECT transaction_id FROM transactions WHERE user_id = $1 AND external_id = $2", user_id, external_id
        )
    )


async def is_sound(pipeline, user_id: int) -> None:
    """Sums are right, the raw objects say the same, and exactly the sides of transfers say that they are sides."""
    async with pipeline.begin() as conn:
        assert (await reconcile_page(conn, user_id - 1))[1] == []
    assert (await pipeline.replay(user_id)).differences == []
    assert await pipeline.fetch(
        "SELECT external_id FROM transactions AS row WHERE user_id = $1 AND category_source = 'transfer' AND NOT EXISTS"
        " (SELECT FROM transfers AS pair WHERE pair.user_id = $1 AND pair.state = 'applied' AND (row.transaction_id,"
        " row.category_detail) IN ((pair.out_id, pair.in_id::text), (pair.in_id, pair.out_id::text)))", user_id,
    ) == []  # fmt: skip


async def test_a_card_payment_is_paired_as_its_second_side_arrives_and_is_no_spending(pipeline, owner):
    user_id, connection_id = owner
    coffee = on("card", "coffee", -500, "BLUE BOTTLE")
    await pipeline.refresh(user_id, connection_id, said(PAYMENT, coffee))
    assert await pairs_of(pipeline, user_id) == []
    await pipeline.refresh(user_id, connection_id, said(PAYMENT, coffee, RECEIVED))
    assert await pairs_of(pipeline, user_id) == [("pay", "paid", "applied")]
    rows = await rows_of(pipeline, user_id)
    assert rows["pay"] == ("credit-card-payment", "transfer", "paid")
    assert rows["paid"] == ("credit-card-payment", "transfer", "pay")
    assert await sums_of(pipeline, user_id) == {"credit-card-payment": 0, "coffee": -500}
    await is_sound(pipeline, user_id)


async def test_a_silent_side_leaves_spending_the_moment_it_is_paired_and_the_event_tells(pipeline, owner):
    user_id, connection_id = owner
    silent = on("checking", "out", -45_000, "XQJ 771")
    await pipeline.refresh(user_id, connection_id, said(silent))
    assert await sums_of(pipeline, user_id) == {"uncategorized": -45_000}
    await pipeline.refresh(user_id, connection_id, said(silent, RECEIVED))
    assert await sums_of(pipeline, user_id) == {"credit-card-payment": 0}
    told = json.loads(await pipeline.value(
        "SELECT payload FROM events WHERE user_id = $1 AND kind = 'transactions_changed' ORDER BY seq DESC LIMIT 1",
        user_id,
    ))  # fmt: skip
    assert told["changed"] == [await transaction_id(pipeline, user_id, "out")]
    assert told["added"] == [await transaction_id(pipeline, user_id, "paid")]


@pytest.mark.parametrize("first", ["checking", "card"])
async def test_two_connections_pair_whichever_comes_first(pipeline, owner, first):
    user_id, one = owner
    other = await pipeline.link(user_id)
    pages = {"checking": said(PAYMENT, accounts=("checking",)), "card": said(RECEIVED, accounts=("card",))}
    second = "card" if first == "checking" else "checking"
    await pipeline.refresh(user_id, one, pages[first])
    await pipeline.refresh(user_id, other, pages[second])
    assert await pairs_of(pipeline, user_id) == [("pay", "paid", "applied")]


async def test_two_equal_transfers_on_one_day_stay_two_pairs_however_often_they_are_fetched(pipeline, owner):
    user_id, connection_id = owner
    rows = [
        on("checking", "out1", -50_000, "ONLINE TRANSFER TO SAV"), on("checking", "out2", -50_000, "ONLINE TRANSFER TO SAV"),
        on("savings", "in1", 50_000, "ONLINE TRANSFER FROM CHK"), on("savings", "in2", 50_000, "ONLINE TRANSFER FROM CHK"),
    ]  # fmt: skip
    await pipeline.refresh(user_id, connection_id, said(*rows[:3]))
    await pipeline.refresh(user_id, connection_id, said(*rows))
    await pipeline.refresh(user_id, connection_id, said(*rows))
    found = await pairs_of(pipeline, user_id)
    assert {pair[0] for pair in found} == {"out1", "out2"}
    assert {pair[1] for pair in found} == {"in1", "in2"}
    assert {pair[2] for pair in found} == {"applied"}
    assert await sums_of(pipeline, user_id) == {"savings-transfer": 0}


async def test_a_better_partner_that_comes_later_takes_the_place_of_the_first(pipeline, owner):
    user_id, connection_id = owner
    out = on("checking", "out", -50_000, "ONLINE TRANSFER TO SAV")
    far, near = (
        on("savings", "far", 50_000, "XQJ 771", day=3),
        on("savings", "near", 50_000, "ONLINE TRANSFER FROM CHK"),
    )
    await pipeline.refresh(user_id, connection_id, said(out, far))
    assert await pairs_of(pipeline, user_id) == [("out", "far", "applied")]
    await pipeline.refresh(user_id, connection_id, said(out, far, near))
    assert await pairs_of(pipeline, user_id) == [("out", "near", "applied")]
    assert (await rows_of(pipeline, user_id))["far"] == ("uncategorized", "none", "")
    await is_sound(pipeline, user_id)


async def test_undoing_gives_back_what_was_there_and_the_pair_does_not_come_again(pipeline, owner):
    user_id, connection_id = owner
    silent = on("checking", "out", -45_000, "XQJ 771")
    await pipeline.refresh(user_id, connection_id, said(silent))
    before = await rows_of(pipeline, user_id)
    await pipeline.refresh(user_id, connection_id, said(silent, RECEIVED))
    async with pipeline.begin() as conn:
        effects = await transfers.undo(conn, user_id, await transfer_id(pipeline, user_id), NOW)
    assert effects.changed == {user_id}
    rows = await rows_of(pipeline, user_id)
    assert rows["out"] == before["out"] == ("uncategorized", "none", "")
    assert rows["paid"][:2] == ("credit-card-payment", "keyword")
    assert await sums_of(pipeline, user_id) == {"uncategorized": -45_000, "credit-card-payment": 45_000}
    again = said(silent | {"description": "XQJ 772"}, RECEIVED | {"description": "AUTOMATIC PAYMENT - THANKS"})
    await pipeline.refresh(user_id, connection_id, again)
    async with pipeline.begin() as conn:
        await transfers.search(conn, user_id, NOW)
    assert await pairs_of(pipeline, user_id) == [("out", "paid", "undone")]
    await is_sound(pipeline, user_id)


async def test_a_pending_side_hands_its_place_to_what_is_posted(pipeline, owner):
    user_id, connection_id = owner
    pending = on("checking", "pending", -45_000, "XQJ 771", pending=True)
    await pipeline.refresh(user_id, connection_id, said(pending, RECEIVED))
    assert await pairs_of(pipeline, user_id) == [("pending", "paid", "applied")]
    posted = on("checking", "posted", -45_000, "XQJ 771", day=1, pending_external_id="pending")
    await pipeline.refresh(user_id, connection_id, said(posted, RECEIVED))
    assert await pairs_of(pipeline, user_id) == [("posted", "paid", "applied")]
    assert (await rows_of(pipeline, user_id))["paid"] == ("credit-card-payment", "transfer", "posted")
    await is_sound(pipeline, user_id)


async def test_what_a_person_paired_and_undid_follows_pending_to_posted(pipeline, owner):
    user_id, connection_id = owner
    pending = [
        on("checking", "p1", -45_000, "XQJ 771", pending=True), on("checking", "p2", -7_700, "XQJ 772", pending=True)
    ]  # fmt: skip
    other = on("savings", "into", 45_000, "QQ", day=-9), on("card", "paid", 7_700, "AUTOMATIC PAYMENT - THANK YOU")
    await pipeline.refresh(user_id, connection_id, said(*pending, *other))
    async with pipeline.begin() as conn:
        ids = [await transaction_id(pipeline, user_id, name) for name in ("p1", "into")]
        await transfers.undo(conn, user_id, await transfer_id(pipeline, user_id), NOW)
        await transfers.pair_by_hand(conn, user_id, ids[0], ids[1], NOW)
    posted = [
        item | {"external_id": f"{item['external_id']}-posted", "pending_external_id": item["external_id"],
                "pending": False}
        for item in pending
    ]  # fmt: skip
    await pipeline.refresh(user_id, connection_id, said(*posted, *other))
    assert await pairs_of(pipeline, user_id) == [("p1-posted", "into", "applied"), ("p2-posted", "paid", "undone")]
    assert (await rows_of(pipeline, user_id))["p1-posted"] == ("savings-transfer", "transfer", "into")
    await is_sound(pipeline, user_id)


@pytest.mark.parametrize(
    "then",
    [
        said(PAYMENT | {"amount_minor": -45_100, "description": "XQJ 771"}, RECEIVED),
        said(RECEIVED, removed=[["checking", "pay"]]),
    ],
    ids=["another amount", "taken back"],
)
async def test_a_side_that_goes_or_changes_its_amount_ends_the_pair_and_the_other_gets_back_what_it_was(
    pipeline, owner, then
):
    user_id, connection_id = owner
    await pipeline.refresh(user_id, connection_id, said(PAYMENT | {"description": "XQJ 771"}, RECEIVED))
    assert await pairs_of(pipeline, user_id) == [("pay", "paid", "applied")]
    await pipeline.refresh(user_id, connection_id, then)
    assert await pairs_of(pipeline, user_id) == []
    rows = await rows_of(pipeline, user_id)
    assert rows["paid"][:2] == ("credit-card-payment", "keyword")
    assert rows.get("pay", ("uncategorized", "none", "")) == ("uncategorized", "none", "")
    await is_sound(pipeline, user_id)


async def test_a_side_put_elsewhere_by_hand_is_no_transfer_any_more(pipeline, owner):
    user_id, connection_id = owner
    await pipeline.refresh(user_id, connection_id, said(PAYMENT | {"description": "XQJ 771"}, RECEIVED))
    chosen = await transaction_id(pipeline, user_id, "paid")
    async with pipeline.begin() as conn:
        await recategorize(conn, user_id, [chosen], category("clothing"), Scope.ONCE, NOW)
    assert await pairs_of(pipeline, user_id) == [("pay", "paid", "undone")]
    rows = await rows_of(pipeline, user_id)
    assert (rows["pay"], rows["paid"]) == (("uncategorized", "none", ""), ("clothing", "manual", ""))
    await is_sound(pipeline, user_id)


@pytest.mark.parametrize("word", ["category alone", "undone before", "undone after", "other side gone"])
async def test_taking_back_a_choice_makes_a_side_what_it_was_before_the_choice(pipeline, owner, word):
    user_id, connection_id = owner
    await pipeline.refresh(user_id, connection_id, said(PAYMENT | {"description": "XQJ 771"}, RECEIVED))
    before = await rows_of(pipeline, user_id)
    chosen = await transaction_id(pipeline, user_id, "pay")
    async with pipeline.begin() as conn:
        await recategorize(conn, user_id, [chosen], category("wire-transfer"), Scope.ONCE, NOW)
        if word == "undone before":
            await transfers.undo(conn, user_id, await transfer_id(pipeline, user_id), NOW)
        await recategorize(conn, user_id, [chosen], category("clothing"), Scope.ONCE, NOW)
        if word == "undone after":
            await transfers.undo(conn, user_id, await transfer_id(pipeline, user_id), NOW)
    if word == "other side gone":
        await pipeline.refresh(user_id, connection_id, said(removed=[["card", "paid"]]))
    async with pipeline.begin() as conn:
        await undo_choice(conn, user_id, [chosen], NOW)
    rows = await rows_of(pipeline, user_id)
    if word == "category alone":
        assert rows == before
        assert await pairs_of(pipeline, user_id) == [("pay", "paid", "applied")]
    else:
        assert rows["pay"] == ("uncategorized", "none", "")
        assert "applied" not in {pair[2] for pair in await pairs_of(pipeline, user_id)}
    await is_sound(pipeline, user_id)


async def test_a_side_put_into_another_category_of_transfers_by_hand_stays_a_side_and_keeps_it(pipeline, owner):
    user_id, connection_id = owner
    await pipeline.refresh(user_id, connection_id, said(PAYMENT, RECEIVED))
    chosen = await transaction_id(pipeline, user_id, "pay")
    async with pipeline.begin() as conn:
        await recategorize(conn, user_id, [chosen], category("wire-transfer"), Scope.ONCE, NOW)
    assert await pairs_of(pipeline, user_id) == [("pay", "paid", "applied")]
    async with pipeline.begin() as conn:
        await transfers.undo(conn, user_id, await transfer_id(pipeline, user_id), NOW)
    assert (await rows_of(pipeline, user_id))["pay"] == ("wire-transfer", "manual", "")


async def test_manual_choices_of_spending_are_never_paired_or_changed(pipeline, owner):
    user_id, connection_id = owner
    silent = on("checking", "out", -45_000, "XQJ 771")
    await pipeline.refresh(user_id, connection_id, said(silent))
    async with pipeline.begin() as conn:
        out_id = await transaction_id(pipeline, user_id, "out")
        await recategorize(conn, user_id, [out_id], category("clothing"), Scope.ONCE, NOW)
    await pipeline.refresh(user_id, connection_id, said(silent, RECEIVED))
    assert await pairs_of(pipeline, user_id) == []
    assert (await rows_of(pipeline, user_id))["out"] == ("clothing", "manual", "")
    in_id = await transaction_id(pipeline, user_id, "paid")
    async with pipeline.begin() as conn:
        with pytest.raises(InvalidInput, match="You put the transaction of 2026-11-03 into Clothing"):
            await transfers.pair_by_hand(conn, user_id, out_id, in_id, NOW)


@pytest.mark.parametrize(("part", "state"), [("100.00", "applied"), ("450.00", "undone")])
async def test_a_split_ends_a_transfer_only_when_nothing_of_it_is_left(pipeline, owner, part, state):
    user_id, connection_id = owner
    await pipeline.refresh(user_id, connection_id, said(PAYMENT, RECEIVED))
    async with pipeline.begin() as conn:
        out_id = await transaction_id(pipeline, user_id, "pay")
        wish = PartWish(category("clothing"), f"-{part}", "USD")
        await annotations.split(conn, user_id, out_id, [wish], NOW)
    if state == "undone":
        in_id = await transaction_id(pipeline, user_id, "paid")
        async with pipeline.begin() as conn:
            with pytest.raises(InvalidInput, match="nothing of it is left to be a transfer"):
                await transfers.pair_by_hand(conn, user_id, out_id, in_id, NOW)
    assert await pairs_of(pipeline, user_id) == [("pay", "paid", state)]
    assert (await sums_of(pipeline, user_id))["clothing"] == -int(part.replace(".", ""))
    await is_sound(pipeline, user_id)


async def test_an_alert_is_not_raised_for_what_turns_out_a_transfer_and_budgets_see_it_after_undo(pipeline, owner):
    user_id, connection_id = owner
    silent = on("checking", "out", -45_000, "XQJ 771")
    await pipeline.refresh(user_id, connection_id, said(silent, RECEIVED))
    async with pipeline.begin() as conn:
        await conn.execute(
            "INSERT INTO budget_overrides (user_id, category_id, since, recurring, limit_minor, currency, thresholds,"
            " revision) VALUES ($1, 1, '2026-11-01', false, 40000, 'USD', '{100}', 1)", user_id,
        )  # fmt: skip
        assert await conn.fetchval("SELECT count(*) FROM alerts WHERE user_id = $1 AND category_id = 1", user_id) == 0
        await transfers.undo(conn, user_id, await transfer_id(pipeline, user_id), NOW)
        assert await conn.fetchval("SELECT count(*) FROM alerts WHERE user_id = $1 AND category_id = 1", user_id) == 1


async def test_an_own_loan_is_paid_from_spending_and_is_no_income(pipeline, owner):
    user_id, connection_id = owner
    rows = [on("checking", "out", -90_000, "XQJ 771"), on("loan", "into", 90_000, "QQ")]
    await pipeline.refresh(user_id, connection_id, said(*rows, accounts=("checking", "loan")))
    assert await pairs_of(pipeline, user_id) == [("out", "into", "suggested")]
    async with pipeline.begin() as conn:
        await transfers.confirm(conn, user_id, await transfer_id(pipeline, user_id), NOW)
    assert await sums_of(pipeline, user_id) == {"loan-payment": -90_000, "account-transfer": 90_000}


async def test_suggestions_change_nothing_until_confirmed_and_dismissed_ones_stay_away(pipeline, owner):
    user_id, connection_id = owner
    rows = [on("checking", "out", -30_000, "XQJ 771"), on("savings", "into", 30_000, "QQ")]
    await pipeline.refresh(user_id, connection_id, said(*rows))
    assert await sums_of(pipeline, user_id) == {"uncategorized": 0}
    assert {source for _, source, _ in (await rows_of(pipeline, user_id)).values()} == {"none"}
    suggested = await transfer_id(pipeline, user_id)
    async with pipeline.begin() as conn:
        await transfers.dismiss(conn, user_id, suggested, NOW)
        await transfers.search(conn, user_id, NOW)
    assert await pairs_of(pipeline, user_id) == [("out", "into", "dismissed")]
    async with pipeline.begin() as conn:
        with pytest.raises(InvalidInput, match="dismissed or undone"):
            await transfers.confirm(conn, user_id, suggested, NOW)
    async with pipeline.begin() as conn:
        ids = [await transaction_id(pipeline, user_id, name) for name in ("out", "into")]
        paired, _ = await transfers.pair_by_hand(conn, user_id, ids[0], ids[1], NOW)
    assert paired == suggested
    assert await sums_of(pipeline, user_id) == {"savings-transfer": 0}


async def test_the_database_and_the_ingestion_agree_on_what_may_be_a_side(pipeline):
    category_ids = [*sorted(load_categories().by_id), OWN_ID_MIN - 1, OWN_ID_MIN, OWN_ID_MIN + 1]
    details = ["", "mcc 4829", "mcc 4829 vague", "vague"]
    asked = [(each, source, detail) for each in category_ids for source in CategorySource for detail in details]
    rows = await pipeline.fetch(
        "SELECT may_be_side(category_id, source, detail) AS answer"
        " FROM unnest($1::int[], $2::text[], $3::text[]) WITH ORDINALITY AS asked (category_id, source, detail, place)"
        " ORDER BY place",
        *map(list, zip(*asked, strict=True)),
    )
    answers = [row["answer"] for row in rows]
    assert answers == [may_be_found(*one) for one in asked]
    assert 0 < sum(answers) < len(answers)


async def test_what_a_person_paired_stays_when_a_nearer_partner_comes(pipeline, owner):
    user_id, connection_id = owner
    out, far = on("checking", "out", -50_000, "ONLINE TRANSFER"), on("savings", "far", 50_000, "QQ", day=4)
    await pipeline.refresh(user_id, connection_id, said(out, far))
    async with pipeline.begin() as conn:
        await transfers.confirm(conn, user_id, await transfer_id(pipeline, user_id), NOW)
    near = on("savings", "near", 50_000, "ONLINE TRANSFER")
    await pipeline.refresh(user_id, connection_id, said(out, far, near))
    assert await pairs_of(pipeline, user_id) == [("out", "far", "applied")]


async def test_removing_a_connection_gives_the_other_sides_back_what_they_were(pipeline, owner):
    user_id, one = owner
    other = await pipeline.link(user_id)
    await pipeline.refresh(user_id, one, said(PAYMENT | {"description": "XQJ 771"}, accounts=("checking",)))
    await pipeline.refresh(user_id, other, said(RECEIVED, accounts=("card",)))
    assert await sums_of(pipeline, user_id) == {"credit-card-payment": 0}
    async with pipeline.begin() as conn:
        await disconnect(conn, user_id, other, keep_history=False, farewells=(), now=NOW)
    assert await rows_of(pipeline, user_id) == {"pay": ("uncategorized", "none", "")}
    assert await sums_of(pipeline, user_id) == {"uncategorized": -45_000}


async def test_history_from_before_is_searched_once_for_persons_with_two_accounts(
    database,
):
    person = await create_person(database)
    savings = await create_account(database, person.user_id, person.connection_id, kind="savings")
    alone = await create_person(database)
    for month in range(1, 4):
        day = date(2025, month, 7)
        await create_transaction(
            database, person.user_id, person.account_id, posted_on=day, amount_minor=-month * 1_000
        )
        await create_transaction(
            database, person.user_id, savings, posted_on=day, amount_minor=month * 1_000,
            category_id=category("savings-transfer"), category_source="keyword", category_detail="bank: to savings",
        )  # fmt: skip
    assert await transfers.unsearched(database, 0) == [person.user_id]
    assert alone.user_id not in await transfers.unsearched(database, 0)
    effects = await transfers.search(database, person.user_id, NOW)
    assert effects.changed == {person.user_id}
    assert await database.fetchval("SELECT count(*) FROM transfers WHERE state = 'applied'") == 3
    assert await database.fetchval("SELECT count(*) FROM transactions WHERE category_source = 'transfer'") == 6
    assert await transfers.unsearched(database, 0) == []


async def hand(database, user_id: int, out_id: int, in_id: int) -> None:
    async with acting_as(database, user_id) as conn:
        await transfers.pair_by_hand(conn, user_id, TransactionId(out_id), TransactionId(in_id), NOW)


async def test_pairing_by_hand_says_what_cannot_be_a_transfer(database):
    person = await create_person(database)
    user_id = person.user_id
    savings = await create_account(database, user_id, person.connection_id, kind="savings")
    out = await create_transaction(database, user_id, person.account_id, amount_minor=-1_000)
    same = await create_transaction(database, user_id, person.account_id, amount_minor=1_000)
    less = await create_transaction(database, user_id, savings, amount_minor=999)
    other_way = await create_transaction(database, user_id, savings, amount_minor=-1_000)
    euros = await create_transaction(database, user_id, savings, amount_minor=1_000, currency="EUR")
    into = await create_transaction(database, user_id, savings, amount_minor=1_000, posted_on=date(2026, 1, 2))
    for out_id, in_id, words in (
        (out, out, "one and the same transaction"),
        (out, same, "on one account"),
        (out, less, "10.00 left and 9.99 arrived"),
        (out, other_way, "not money that reached"),
        (into, out, "not money that left"),
        (out, euros, "One is in USD and the other in EUR"),
    ):
        with pytest.raises(InvalidInput, match=words):
            await hand(database, user_id, out_id, in_id)
    await hand(database, user_id, out, into)
    again = await create_transaction(database, user_id, savings, amount_minor=1_000)
    with pytest.raises(InvalidInput, match="a side of another transfer"):
        await hand(database, user_id, out, again)


async def test_transfers_of_others_are_neither_found_nor_changed(database):
    mine, theirs = await create_person(database), await create_person(database)
    ids = []
    for person in (mine, theirs):
        savings = await create_account(database, person.user_id, person.connection_id, kind="savings")
        ids.append(
            [
                await create_transaction(database, person.user_id, person.account_id, amount_minor=-1_000),
                await create_transaction(database, person.user_id, savings, amount_minor=1_000),
            ]
        )
    await hand(database, mine.user_id, *ids[0])
    paired = TransferId(await database.fetchval("SELECT transfer_id FROM transfers"))
    async with acting_as(database, theirs.user_id) as conn:
        for act in (transfers.confirm, transfers.dismiss, transfers.undo):
            with pytest.raises(NotFound):
                await act(conn, theirs.user_id, paired, NOW)
        with pytest.raises(NotFound):
            await transfers.pair_by_hand(conn, theirs.user_id, ids[0][0], ids[0][1], NOW)
    assert await database.fetchval("SELECT state FROM transfers") == "applied"


TABLE = b"Date,Description,Amount\n2026-11-03,Online transfer to savings,-500.00\n2026-11-04,Blue Bottle,-5.00\n"
INTO_SAVINGS = on("savings", "into", 50_000, "XQJ 771", day=1)


async def test_a_transfer_with_a_file_ends_when_the_import_is_undone(pipeline, owner):
    user_id, connection_id = owner
    ada = Importer(pipeline, user_id)
    await pipeline.refresh(user_id, connection_id, said(INTO_SAVINGS, accounts=("savings",)))
    taken = await ada.take_in(TABLE)
    assert [(pair[1], pair[2]) for pair in await pairs_of(pipeline, user_id)] == [("into", "applied")]
    assert (await sums_of(pipeline, user_id))["savings-transfer"] == 0
    await ada.undo(taken)
    assert await pairs_of(pipeline, user_id) == []
    assert await rows_of(pipeline, user_id) == {"into": ("uncategorized", "none", "")}
    assert await ada.differences() == []


@pytest.mark.parametrize("by_hand", [False, True])
async def test_a_transfer_of_an_account_of_files_goes_on_in_the_account_it_is_merged_into(pipeline, owner, by_hand):
    user_id, savings = owner
    ada = Importer(pipeline, user_id)
    await pipeline.refresh(user_id, savings, said(INTO_SAVINGS, accounts=("savings",)))
    await ada.take_in(TABLE)
    if by_hand:
        async with pipeline.begin() as conn:
            await transfers.confirm(conn, user_id, await transfer_id(pipeline, user_id), NOW)
    live = await pipeline.link(user_id)
    rows = [
        on("checking", "live", -50_000, "ONLINE TRANSFER TO SAV"),
        on("checking", "cup", -500, "BLUE BOTTLE", day=1),
    ]
    days = ["checking", "2026-10-20", "2026-11-12"]
    await pipeline.refresh(user_id, live, said(*rows, accounts=("checking",), windows=[days]))
    await ada.merge(await ada.account(), await ada.account(live))
    assert await pairs_of(pipeline, user_id) == [("live", "into", "applied")]
    assert (await rows_of(pipeline, user_id))["into"] == ("savings-transfer", "transfer", "live")
    assert await ada.differences() == []
    decided = await pipeline.value("SELECT decided_at IS NOT NULL FROM transfers WHERE user_id = $1", user_id)
    assert decided is by_hand


async def test_accounts_that_turn_out_to_be_one_have_no_transfer_between_them(pipeline, owner):
    user_id, live = owner
    ada = Importer(pipeline, user_id)
    rows = [on("checking", "back", 50_000, "ONLINE TRANSFER FROM SAV", day=1)]
    await pipeline.refresh(user_id, live, said(*rows, accounts=("checking",)))
    await ada.take_in(TABLE)
    assert [pair[1:] for pair in await pairs_of(pipeline, user_id)] == [("back", "applied")]
    await ada.merge(await ada.account(), await ada.account(live))
    assert await pairs_of(pipeline, user_id) == []
    assert {source for _, source, _ in (await rows_of(pipeline, user_id)).values()} == {"keyword", "dictionary"}
    assert await ada.differences() == []


async def test_the_nightly_search_pairs_what_was_there_before(runtime):
    async with runtime.system() as conn:
        person = await create_person(conn)
        savings = await create_account(conn, person.user_id, person.connection_id, kind="savings")
        await create_transaction(conn, person.user_id, person.account_id, amount_minor=-50_000)
        await create_transaction(
            conn, person.user_id, savings, amount_minor=50_000, category_id=category("savings-transfer"),
            category_source="keyword", category_detail="bank: to savings",
        )  # fmt: skip
    for _ in range(2):
        await search_transfers({"runtime": runtime})
    async with runtime.system() as conn:
        assert await conn.fetchval("SELECT array_agg(state) FROM transfers") == ["applied"]
        told = await conn.fetchval(
            "SELECT count(*) FROM events WHERE user_id = $1 AND kind = 'transactions_changed'", person.user_id
        )
    assert told == 1
