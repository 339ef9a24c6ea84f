"""Imported files by their plans: which row goes where under which id, and where a statement goes by itself."""

from __future__ import annotations

from datetime import date

import pytest

from mintql.domain.errors import InvalidInput, NotFound, ProtocolError
from mintql.domain.ids import AccountId, ConnectionId, ImportId
from mintql.domain.institutions import AccountKind, ProviderTransaction, RejectedRow
from mintql.institutions.files.base import FileKind, ParsedFile, Statement
from mintql.institutions.files.options import ReadOptions
from mintql.institutions.imported import (
    FileAccount,
    ImportPlan,
    StatementPlan,
    apply_plan,
    number_in,
    parse_import,
    row_id,
    statements_of,
)
from mintql.services.imports_targets import FILES, Correction, NewAccount, Targets, memory_of
from mintql.store.imports import TargetAccount

GIRO = FileAccount("file:giro", "Giro", AccountKind.CHECKING, "EUR")


def row(day: int, amount: int, *, own_id: str = "", text: str = "BAKERY", pending: bool = False, currency: str = "EUR"):
    return ProviderTransaction("DE1", own_id, date(2026, 11, day), amount, currency, text, pending)


def statement(
    *rows, first: int = 1, last: int = 30, balance: int | None = None, currency: str = "EUR", named: str = "DE1"
):
    return Statement(
        named, AccountKind.CHECKING, currency, rows, balance, date(2026, 11, last) if balance is not None else None,
        date(2026, 11, first), date(2026, 11, last),
    )  # fmt: skip


def parsed(*statements, rejected=()):
    return ParsedFile(FileKind.OFX, "utf-8", statements, rejected)


def plan(*statements: StatementPlan) -> ImportPlan:
    return ImportPlan("a.ofx", ReadOptions(currency="EUR"), statements)


def test_a_plan_is_the_same_after_it_was_kept():
    made = plan(
        StatementPlan(0, "DE1", "EUR", account=GIRO, describes=False, balance_on=date(2026, 11, 30)),
        StatementPlan(1, "DE2", "EUR", account_id=AccountId(7)),
        StatementPlan(2, "DE3", "USD", take=False),
    )

    assert ImportPlan.from_json(made.to_json()) == made
    assert made.to_bytes() == ImportPlan.from_json(made.to_json()).to_bytes()


@pytest.mark.parametrize("kept", [b"", b"[]", b"{}", b'{"version": 2}', b'{"version": 1}', b"\xff", b"[" * 100_000])
def test_what_is_no_plan_is_a_protocol_error(kept):
    with pytest.raises(ProtocolError):
        parse_import(kept, b"Date,Amount\n")


def test_a_plan_that_sends_a_statement_nowhere_is_refused():
    broken = plan(StatementPlan(0, take=False)).to_json()
    broken["statements"][0]["take"] = True
    with pytest.raises(InvalidInput, match="has to go into one account"):
        ImportPlan.from_json(broken)


def test_rows_get_ids_that_say_day_and_amount_and_rows_without_ids_get_none():
    assert row_id(FileKind.OFX, row(2, -450, own_id="77")) == "file:ofx:77:20261102:-450"
    assert row_id(FileKind.OFX, row(2, -450)) == ""
    long = row_id(FileKind.CAMT, row(2, -450, own_id="x" * 255))
    assert len(long) < 255
    assert long != row_id(FileKind.CAMT, row(2, -450, own_id="x" * 254 + "y"))


def test_a_booked_row_has_the_last_word_over_a_pending_one_of_its_id():
    file = parsed(statement(row(2, -450, own_id="a"), row(2, -450, own_id="a", pending=True)))

    page = apply_plan(plan(StatementPlan(0, account=GIRO)), file).page

    assert [said.pending for said in page.transactions] == [True, False]


def test_statements_of_one_account_are_one_with_the_newest_balance_and_the_days_without_a_gap():
    file = parsed(
        statement(row(1, -1), first=1, last=2, balance=100),
        statement(row(6, -2), first=6, last=6, balance=300),
        statement(row(5, -3), first=5, last=5, balance=200),
        statement(row(20, -4), first=20, last=20),
    )
    (joined,) = statements_of(file)

    assert (joined.balance_minor, joined.balance_on) == (300, date(2026, 11, 6))
    assert [said.amount_minor for said in joined.transactions] == [-1, -2, -3, -4]
    assert (joined.first_day, joined.last_day) == (date(2026, 11, 20), date(2026, 11, 20))


def test_currencies_of_one_account_are_statements_of_their_own():
    file = parsed(statement(row(1, -1)), statement(row(1, -1, currency="USD"), currency="USD"))
    assert [(one.currency, len(one.transactions)) for one in statements_of(file)] == [("EUR", 1), ("USD", 1)]


def test_rows_go_under_the_account_and_those_of_statements_that_are_left_out_nowhere():
    file = parsed(
        statement(row(1, -1)),
        statement(row(2, -2), named="DE2"),
        rejected=(
            RejectedRow(3, "no day", "?", "DE1"),
            RejectedRow(9, "no day", "?", "DE2"),
            RejectedRow(12, "?", "?"),
        ),
    )
    said = apply_plan(plan(StatementPlan(0, account_id=AccountId(7)), StatementPlan(1, take=False)), file)

    assert said.bound == {"account:7": 7}
    assert said.covered == {"account:7": (date(2026, 11, 1), date(2026, 11, 30))}
    assert [(one.account_external_id, one.amount_minor) for one in said.page.transactions] == [("account:7", -1)]
    assert [(one.position, one.account_external_id) for one in said.page.rejected] == [(3, "account:7"), (12, "")]
    assert said.page.accounts == ()


def test_only_a_statement_that_describes_its_account_changes_it():
    file = parsed(statement(row(1, -1), balance=500))

    (made,) = apply_plan(plan(StatementPlan(0, account=GIRO)), file).page.accounts
    assert (made.name, made.balance_minor, made.balance_at.date()) == ("Giro", 500, date(2026, 11, 30))
    assert apply_plan(plan(StatementPlan(0, account=GIRO, describes=False)), file).page.accounts == ()


def test_a_row_whose_currency_nothing_says_is_put_aside():
    file = parsed(statement(row(1, -1, currency=""), row(2, -2), currency=""))
    page = apply_plan(plan(StatementPlan(0, account=GIRO)), file).page

    assert [one.amount_minor for one in page.transactions] == [-2]
    assert [one.reason for one in page.rejected] == ["nothing says which currency it is in"]


def test_a_plan_for_other_statements_than_the_file_has_is_refused():
    with pytest.raises(ProtocolError, match="statement 2 of a file of 1"):
        apply_plan(plan(StatementPlan(1, account=GIRO)), parsed(statement()))


@pytest.mark.parametrize(
    ("named", "number"),
    [
        ("1/4000123456/CHECKING", "4000123456"),
        ("DE89370400440532013000", "DE89370400440532013000"),
        ("20041010/1234567EUR", "1234567"),
        ("My checking", ""),
        ("", ""),
        ("/4111111111111111/CREDITCARD", "4111111111111111"),
    ],
)
def test_an_accounts_number_is_found_in_what_the_file_calls_it(named, number):
    assert number_in(named) == number


def account(
    number: int, *, institution: str = FILES, external_id: str = "file:x", mask: str = "", currency: str = "EUR"
):
    return TargetAccount(
        AccountId(number), ConnectionId(1), external_id, f"Account {number}", AccountKind.CHECKING, mask, currency, None,
        institution,
    )  # fmt: skip


def targets(*accounts: TargetAccount, **known) -> Targets:
    return Targets(ImportId(5), "may.ofx", accounts, **known)


def test_a_statement_goes_into_the_account_whose_number_ends_so_and_the_person_is_asked():
    chosen = targets(account(3, institution="sandbox", mask="3456"))
    said = statement(row(1, -1), named="1/4000123456/CHECKING")

    (planned,) = chosen.plan([said], [])

    assert planned.account_id == 3
    assert chosen.unsure == ["It would go into Account 3, whose number ends in 3456 as well: is that it?"]
    (several,) = targets(account(3, institution="a", mask="3456"), account(4, institution="b", mask="3456")).plan(
        [said], []
    )
    assert several.account is not None
    assert several.account.name == "Checking 3456"


def test_a_statement_goes_where_the_last_one_went_and_what_the_person_says_outranks_that():
    unnamed = statement(row(1, -1), named="")
    memory = memory_of([StatementPlan(0, "", "EUR", account_id=AccountId(4))], [])
    accounts = (account(3), account(4, institution="sandbox"))

    (planned,) = targets(*accounts, remembered=memory).plan([unnamed], [])
    assert planned.account_id == 4
    (planned,) = targets(*accounts, remembered=memory).plan([unnamed], [Correction(0, account_id=AccountId(3))])
    assert planned.account == FileAccount("file:x", "Account 3", AccountKind.CHECKING, "EUR")


def test_where_files_of_one_sort_went_into_several_accounts_the_person_is_asked():
    memory = memory_of([StatementPlan(0, "", "EUR", account_id=AccountId(3))], [])
    memory = memory_of([StatementPlan(0, "", "EUR", account_id=AccountId(4))], memory)
    chosen = targets(account(3, institution="a"), account(4, institution="a"), remembered=memory)

    (planned,) = chosen.plan([statement(row(1, -1), named="")], [])

    assert planned.account_id == 4
    assert chosen.unsure == ["Files of this sort went into several accounts, the last into Account 4: is that it?"]


@pytest.mark.parametrize(
    ("correction", "failure", "field"),
    [
        (Correction(1), InvalidInput, "place"),
        (Correction(-1), InvalidInput, "place"),
        (Correction(0, account_id=AccountId(99)), NotFound, "accountId"),
        (Correction(0, AccountId(3), NewAccount("Giro", AccountKind.CHECKING, "EUR")), InvalidInput, "newAccount"),
        (Correction(0, new_account=NewAccount(" ", AccountKind.CHECKING, "EUR")), InvalidInput, "name"),
        (Correction(0, new_account=NewAccount("Giro", AccountKind.CHECKING, "QQQ")), InvalidInput, "currency"),
    ],
)
def test_a_correction_that_cannot_be_names_its_field(correction, failure, field):
    with pytest.raises(failure) as refused:
        targets(account(3)).plan([statement(row(1, -1))], [correction])
    assert refused.value.field == field
