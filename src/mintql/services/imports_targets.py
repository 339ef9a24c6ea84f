"""Into which account each statement of a file goes: as the person says, as the last such file did, or as it fits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC
from typing import Any

from mintql.domain.errors import InvalidInput, NotFound
from mintql.domain.ids import AccountId, ImportId
from mintql.domain.institutions import AccountKind
from mintql.domain.money import check_currency
from mintql.institutions.files.base import Statement
from mintql.institutions.imported import FileAccount, StatementPlan, number_in
from mintql.store.imports import TargetAccount

FILES = "files"
"""The institution id of the one connection through which a person's files come."""
ACCOUNT_NAME_CHARACTERS_MAX = 100
NUMBER_SHOWN_CHARACTERS = 4
REMEMBERED_MAX = 100
"""Accounts that are remembered for files of one sort."""
NAME_WORDS = {
    AccountKind.CHECKING: "Checking",
    AccountKind.SAVINGS: "Savings",
    AccountKind.CREDIT_CARD: "Credit card",
    AccountKind.INVESTMENT: "Investment",
    AccountKind.LOAN: "Loan",
    AccountKind.OTHER: "Account",
}


@dataclass(frozen=True, slots=True)
class NewAccount:
    """An account that a person wants to be made for a statement."""

    name: str
    kind: AccountKind
    currency: str


@dataclass(frozen=True, slots=True)
class Correction:
    """What a person says of the statement at `place`: None where they say nothing."""

    place: int
    account_id: AccountId | None = None
    new_account: NewAccount | None = None
    take: bool | None = None


@dataclass(slots=True)
class Targets:
    """The accounts of a person, and what is known of where statements like these go.

    `before` are the statements as planned so far, `remembered` where the last such file's went. `evidence` gathers why
    statements go where they do, `unsure` what the person should look at.
    """

    import_id: ImportId
    file_name: str
    accounts: Sequence[TargetAccount]
    before: Sequence[StatementPlan] = ()
    remembered: Sequence[Mapping[str, Any]] = ()
    evidence: list[str] = field(default_factory=list)
    unsure: list[str] = field(default_factory=list)

    def plan(self, statements: Sequence[Statement], corrections: Sequence[Correction]) -> tuple[StatementPlan, ...]:
        """Return where each statement goes.

        Raises:
            InvalidInput: A correction of a statement that is not there, or that contradicts itself.
            NotFound: An account that is not this person's, or of a connection that was ended.
        """
        said = {correction.place: correction for correction in corrections}
        for place in said:
            if not 0 <= place < len(statements):
                raise InvalidInput(
                    f"There is no statement {place}; the file has {len(statements)}, from 0.", field="place"
                )
        before = self.before if len(self.before) == len(statements) else ()
        return tuple(
            self._one(place, statement, said.get(place), before[place] if before else None)
            for place, statement in enumerate(statements)
        )

    def _one(
        self, place: int, statement: Statement, said: Correction | None, before: StatementPlan | None
    ) -> StatementPlan:
        worth_taking = bool(statement.transactions) or (
            statement.balance_minor is not None and bool(statement.currency)
        )
        take = worth_taking if before is None else before.take
        if said is not None and said.take is not None:
            take = said.take
        target = self._target(place, statement, said, before)
        balance_on = statement.balance_on if statement.balance_minor is not None else None
        named, said_currency = statement.account_external_id, statement.currency
        planned = StatementPlan(place, named, said_currency, take=take, balance_on=balance_on)
        if not take:
            return planned
        if statement.currency and statement.transactions and target.currency != statement.currency:
            self.unsure.append(
                f"{target.name} is held in {target.currency}, the rows that would go there are in {statement.currency}."
            )
        if isinstance(target, FileAccount):
            return replace(planned, account=target)
        self._ask_about_twin(target)
        return sent_to(planned, target)

    def _ask_about_twin(self, target: TargetAccount) -> None:
        """Ask whether an account of files is one that a connection reads by now: then purchases would count twice."""
        twin = next((account for account in self.accounts if same_number(target, account)), None)
        if twin is not None:
            self.unsure.append(
                f"It would go into {target.name}, which only files bring, and {twin.name} has a number that ends in "
                f"{twin.mask} as well: if the two are one account, merge them, so that nothing counts twice."
            )

    def _target(
        self, place: int, statement: Statement, said: Correction | None, before: StatementPlan | None
    ) -> TargetAccount | FileAccount:
        if said is not None and said.account_id is not None:
            if said.new_account is not None:
                raise InvalidInput("Name an account or a new one, not both.", field="newAccount")
            return self._by_id(said.account_id)
        if said is not None and said.new_account is not None:
            return self._made(place, said.new_account)
        for found in (self._as_before(before), self._remembered(statement), self._named(statement)):
            if found is not None:
                return found
        return self._with_number(statement) or self._new(place, statement)

    def _by_id(self, account_id: AccountId) -> TargetAccount:
        for account in self.accounts:
            if account.account_id == account_id:
                return account
        raise NotFound("There is no such account, or its connection was ended.", field="accountId")

    def _made(self, place: int, wanted: NewAccount) -> FileAccount:
        name = " ".join(wanted.name.split())
        if not 1 <= len(name) <= ACCOUNT_NAME_CHARACTERS_MAX or not name.isprintable():
            raise InvalidInput(f"An account's name has 1 to {ACCOUNT_NAME_CHARACTERS_MAX} characters.", field="name")
        return FileAccount(self._own_id(place), name, wanted.kind, check_currency(wanted.currency))

    def _as_before(self, before: StatementPlan | None) -> TargetAccount | FileAccount | None:
        """Return where this very import would have put it so far."""
        if before is None:
            return None
        if before.account is not None:
            return self._of_files(before.account.external_id) or before.account
        return next((account for account in self.accounts if account.account_id == before.account_id), None)

    def _remembered(self, statement: Statement) -> TargetAccount | None:
        """Return where the last file of this sort put the statement of this name, if that is still there."""
        for target in self.remembered:
            if _key_of(target) != (statement.account_external_id, statement.currency):
                continue
            for account in self.accounts:
                if account.account_id == target["account_id"] or account is self._of_files(target["external_id"]):
                    self.evidence.append(f"Account: {account.name}, where the last file of this sort went.")
                    if target["several"]:
                        self.unsure.append(
                            f"Files of this sort went into several accounts, the last into {account.name}: is that it?"
                        )
                    return account
        return None

    def _named(self, statement: Statement) -> TargetAccount | None:
        named = named_id(statement)
        return self._of_files(named) if named else None

    def _of_files(self, external_id: str | None) -> TargetAccount | None:
        return of_files(self.accounts, external_id) if external_id else None

    def _with_number(self, statement: Statement) -> TargetAccount | None:
        """Return the one account of a live connection whose number ends as the file's does."""
        number = number_in(statement.account_external_id)
        found = [
            account
            for account in self.accounts
            if account.institution_id != FILES
            and len(account.mask) >= NUMBER_SHOWN_CHARACTERS
            and number.endswith(account.mask)
            and account.currency == statement.currency
        ]
        if len(found) != 1:
            return None
        self.unsure.append(
            f"It would go into {found[0].name}, whose number ends in {found[0].mask} as well: is that it?"
        )
        return found[0]

    def _new(self, place: int, statement: Statement) -> FileAccount:
        named = statement.account_external_id
        stem = self.file_name.rpartition(".")[0] or self.file_name
        words = NAME_WORDS[statement.account_kind]
        if not named:
            name = stem or "Imported account"
        elif number_in(named):
            name = f"{words} {number_in(named)[-NUMBER_SHOWN_CHARACTERS:]}"
        else:
            name = named
        external_id = named_id(statement) or self._own_id(place)
        kind = statement.account_kind
        return FileAccount(external_id, name[:ACCOUNT_NAME_CHARACTERS_MAX], kind, statement.currency)

    def _own_id(self, place: int) -> str:
        """Return an id that only this statement of this file has."""
        return f"file:import:{self.import_id}:{place}"


def of_files(accounts: Iterable[TargetAccount], external_id: str) -> TargetAccount | None:
    """Return the account that files know by an id, whichever account that was merged into."""
    return next((account for account in accounts if account.goes_by(external_id)), None)


def sent_to(planned: StatementPlan, target: TargetAccount) -> StatementPlan:
    """Return the plan of a statement that goes into an account that is there."""
    if target.institution_id != FILES:
        return replace(planned, account_id=target.account_id, account=None, describes=True)
    kept = FileAccount(target.external_id, target.name, target.kind, target.currency)
    return replace(planned, account_id=None, account=kept, describes=_is_newer(planned, target))


def same_number(filed: TargetAccount, live: TargetAccount) -> bool:
    """Tell whether an account of files and one that a connection reads seem to be one, by all that accounts tell."""
    kinds = {filed.kind, live.kind} - {AccountKind.OTHER}
    return (
        filed.institution_id == FILES != live.institution_id
        and len(live.mask) >= NUMBER_SHOWN_CHARACTERS
        and live.mask[-NUMBER_SHOWN_CHARACTERS:] == filed.mask
        and live.currency == filed.currency
        and len(kinds) <= 1
    )


def named_id(statement: Statement) -> str:
    """Return by which id the account of a statement is found again, "" where the file does not name it."""
    if not statement.account_external_id:
        return ""
    return f"file:{statement.account_external_id[:200]}:{statement.currency}"


def memory_of(plan: Sequence[StatementPlan], earlier: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return what is remembered of where statements went, for the next file of the sort.

    `earlier` is what was remembered so far. Where the file does not name its account, files of one sort may be of
    several accounts: that is kept too, so that the person is asked.
    """
    known = {_key_of(target): target for target in earlier}
    for planned in plan:
        if not planned.take:
            continue
        now = {
            "named": planned.named,
            "currency": planned.currency,
            "account_id": planned.account_id,
            "external_id": None if planned.account is None else planned.account.external_id,
        }
        before = known.get(_key_of(now))
        moved = before is not None and any(before[name] != now[name] for name in ("account_id", "external_id"))
        known[_key_of(now)] = {**now, "several": moved or (before is not None and before["several"])}
    return [dict(target) for target in known.values()][-REMEMBERED_MAX:]


def _key_of(target: Mapping[str, Any]) -> tuple[str, str]:
    return target["named"], target["currency"]


def brought_up_to_date(plan: Sequence[StatementPlan], accounts: Sequence[TargetAccount]) -> tuple[StatementPlan, ...]:
    """Return the plan for the accounts as they are now: files may have come in or been taken back, accounts merged."""
    fresh = []
    for planned in plan:
        there = None if planned.account is None else of_files(accounts, planned.account.external_id)
        fresh.append(replace(planned, describes=True) if there is None else sent_to(planned, there))
    return tuple(fresh)


def _is_newer(planned: StatementPlan, account: TargetAccount) -> bool:
    """Tell whether a statement has a balance that is newer than the one of the account it goes into."""
    if planned.balance_on is None:
        return False
    return account.balance_at is None or planned.balance_on >= account.balance_at.astimezone(UTC).date()
