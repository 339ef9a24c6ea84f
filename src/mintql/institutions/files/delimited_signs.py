"""Finding the columns of amounts and balances, and which way money goes in them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from mintql.domain.errors import InvalidInput
from mintql.institutions.files.amounts import decimal_signs, parse_amount, take_apart
from mintql.institutions.files.base import FileUnreadable
from mintql.institutions.files.csv_mapping import CsvMapping
from mintql.institutions.files.dates import is_date
from mintql.institutions.files.delimited_findings import (
    PROOF_SHARE_MIN,
    Findings,
    first,
    is_amount,
    is_direction,
    share,
)
from mintql.institutions.files.delimited_headings import OUT_WORDS, Export
from mintql.institutions.files.delimited_table import Row
from mintql.institutions.files.delimited_words import fold
from mintql.institutions.files.rows import BadRow

_PAYMENT = re.compile(r"\b(payment|autopay|thank you|lastschrift|refund|gutschrift)\b", re.IGNORECASE)
_CARD_PAYMENT = re.compile(
    r"\b(thank you|auto ?pay|payment received|online payment|card payment|pymt)\b", re.IGNORECASE
)
BALANCE_CANDIDATES_MAX = 12
"""More columns of numbers than these are not compared with each other."""


def find_amounts(found: Findings, mapping: CsvMapping, said: str = "") -> CsvMapping:
    """Find where amounts and balances stand; `said` is what the person says decimals stand behind."""
    taken = {mapping.date_column}
    balance = first([c for c in found.named("balance") if share(found.values(c), is_amount) >= PROOF_SHARE_MIN])
    debit, credit = first(found.named("debit")), first(found.named("credit"))
    amount = first([c for c in found.named("amount") if share(found.values(c), is_amount) >= 0.5 or not found.rows])  # noqa: PLR2004
    if debit is not None and credit is not None and amount is None:
        found.evidence.append(f"Amount: money out in {found.call(debit)}, money in in {found.call(credit)}.")
        mapping = _of_pair(found, mapping, debit, credit)
    elif amount is None and (pair := _pair_by_content(found, taken)) is not None:
        mapping = _of_pair(found, mapping, *pair)
    else:
        if amount is None:
            amount, guessed = _amount_by_content(found, taken | ({balance} if balance is not None else set()))
            balance = guessed if balance is None else balance
        else:
            found.evidence.append(f"Amount: {found.call(amount)}, by its heading.")
        mapping = replace(mapping, amount_column=amount)
    columns = [
        c for c in (mapping.amount_column, mapping.debit_column, mapping.credit_column, balance) if c is not None
    ]
    moved = [column for column in columns if column != balance]
    votes = decimal_signs(text for column in moved for text in found.values(column))
    if not votes[","] + votes["."]:
        votes += decimal_signs(found.values(balance))
    decimal = "," if votes[","] > votes["."] else "."
    if said:
        decimal = said
        found.evidence.append(f"Decimals: behind {decimal!r}, as you said.")
    elif votes[","] + votes["."]:
        found.evidence.append(f"Decimals: behind {decimal!r} in {votes[decimal]} amounts that can mean nothing else.")
    elif votes[""]:
        decimal = "," if mapping.delimiter == ";" else "."
        found.unsure.append(
            f"Decimals: amounts like 1{decimal}234 could be thousands; {decimal!r} was taken for decimals."
        )
    if votes[","] and votes["."] and not said:
        found.unsure.append("Decimals: some amounts are written with a point and some with a comma.")
    return replace(mapping, balance_column=balance, decimal=decimal)


def _of_pair(found: Findings, mapping: CsvMapping, debit: int, credit: int) -> CsvMapping:
    """Take money out and in from columns of their own, each of which may be written below zero."""
    below: list[bool] = []
    for column in (debit, credit):
        amounts = [parts for text in found.values(column) if (parts := take_apart(text)) and parts.digits.strip("0.,")]
        below.append(sum(parts.negative for parts in amounts) > len(amounts) / 2)
    return replace(
        mapping,
        debit_column=debit,
        credit_column=credit,
        debit_is_negative=below[0],
        credit_is_negative=below[1],
    )


def _pair_by_content(found: Findings, taken: set[int]) -> tuple[int, int] | None:
    """Return two columns of amounts of which each row fills exactly one: money out, then money in, as is usual."""
    width = max((len(row.cells) for row in found.rows), default=0)
    numeric = [
        column
        for column in range(width)
        if column not in taken and found.values(column) and share(found.values(column), _is_money) == 1
    ]
    for debit, credit in pairwise(numeric):
        filled = [bool(row.cell(debit)) + bool(row.cell(credit)) for row in found.rows]
        if filled.count(1) >= PROOF_SHARE_MIN * len(filled) and all(map(found.values, (debit, credit))):
            names = f"{found.call(debit)} or {found.call(credit)}"
            found.evidence.append(f"Amount: {names}, as each row fills one of them.")
            found.unsure.append(f"Sign: {found.call(debit)} was taken for money out, the other for money in.")
            return debit, credit
    return None


def _is_money(text: str) -> bool:
    return is_amount(text) and not is_date(text)


def _amount_by_content(found: Findings, taken: set[int]) -> tuple[int, int | None]:
    """Return the columns that look like amounts and, where one proves to be it, the balance."""
    width = max((len(row.cells) for row in found.rows), default=0)
    numeric = [
        column
        for column in range(width)
        if column not in taken
        and len(found.values(column)) >= 0.9 * len(found.rows)
        and share(found.values(column), _is_money) >= PROOF_SHARE_MIN
    ]
    with_decimals = [c for c in numeric if any(re.search(r"[.,]\d{1,3}\D*\Z|-", text) for text in found.values(c))]
    candidates = with_decimals or numeric
    if not candidates:
        raise FileUnreadable("No column of this table holds amounts.")
    # Amounts come with both signs more often than balances do.
    candidates.sort(key=lambda column: not any("-" in text for text in found.values(column)))
    columns = {column: _column(column, found) for column in candidates[:BALANCE_CANDIDATES_MAX]}
    proven = _moving_together(columns)
    if proven is not None:
        amount, balance = proven
        found.evidence.append(f"Amount: {found.call(amount)}, as {found.call(balance)} moves by it.")
        return amount, balance
    found.evidence.append(f"Amount: {found.call(candidates[0])}, by what it holds.")
    if len(candidates) > 1:
        found.unsure.append(f"Amount: {', '.join(map(found.call, candidates[1:]))} hold amounts as well.")
    return candidates[0], None


def _moving_together(columns: dict[int, list[int | None]]) -> tuple[int, int] | None:
    """Return an amount and the balance that moves by it.

    One that moves with the other sign comes last: the balance before each row does so, read from the end.
    """
    turned: tuple[int, int] | None = None
    for amount, moved in columns.items():
        for balance, balances in columns.items():
            proof = prove([list(zip(moved, balances, strict=True))]) if amount != balance else None
            if proof is not None and not proof.inverse:
                return amount, balance
            turned = turned or ((amount, balance) if proof is not None else None)
    return turned


def _column(column: int, found: Findings) -> list[int | None]:
    votes = decimal_signs(found.values(column))
    return [_minor(row.cell(column), "," if votes[","] > votes["."] else ".") for row in found.rows]


def _minor(text: str, decimal: str) -> int | None:
    """Return an amount to compare with others, whatever its currency: with four decimals."""
    try:
        return parse_amount(text, decimal, "CLF")[0] if text else None
    except (BadRow, InvalidInput):
        return None


@dataclass(frozen=True, slots=True)
class Proof:
    """How a balance moves: `agree` of `steps` differences are the amounts, with the other sign if `inverse`."""

    newest_first: bool
    inverse: bool
    agree: int
    steps: int


def prove(series: Sequence[Sequence[tuple[int | None, int | None]]]) -> Proof | None:
    """Return how the balances of each account move by the amounts beside them; None where they do not.

    A difference counts only where something moved. Too few of them prove nothing against chance, but one is
    already an amount met to the cent.
    """
    steps: list[tuple[int, int, int]] = []
    for pairs in series:
        known = [(amount, balance) for amount, balance in pairs if amount is not None and balance is not None]
        steps += [(here[0], there[0], there[1] - here[1]) for here, there in pairwise(known) if here[0] or there[0]]
    best: Proof | None = None
    for newest_first in (False, True):
        for inverse in (False, True):
            sign = -1 if inverse else 1
            agree = sum((-sign * here if newest_first else sign * there) == moved for here, there, moved in steps)
            if steps and agree >= PROOF_SHARE_MIN * len(steps) and (best is None or agree > best.agree):
                best = Proof(newest_first, inverse, agree, len(steps))
    return best


def find_signs(
    found: Findings, mapping: CsvMapping, export: Export | None, *, inverse: bool | None = None
) -> CsvMapping:
    """Find which way money goes, and let the running balance prove it; `inverse` is what the person says."""
    signed = _signs(found, mapping, export)
    if inverse is None or inverse is signed.inverse_sign:
        return signed
    found.evidence.append(f"Sign: {'turned around' if inverse else 'as it is written'}, as you said.")
    return replace(signed, inverse_sign=inverse, balance_is_owed=signed.balance_proven and not signed.balance_is_owed)


def _signs(found: Findings, mapping: CsvMapping, export: Export | None) -> CsvMapping:
    if export is not None and export.source == "firefly":
        return mapping
    below = sum(parts.negative for text in found.values(mapping.amount_column) if (parts := take_apart(text)))
    if mapping.amount_column is not None and below == 0:
        direction = next((c for c in found.named("direction") if is_direction(found, c)), None)
        if direction is not None:
            found.evidence.append(f"Sign: {found.call(direction)} says which way money goes.")
            mapping = replace(mapping, direction_column=direction)
    if export is not None and export.source == "revolut":
        mapping = replace(mapping, fee_column=found.folded.index("fee"))
    if mapping.balance_column is not None:
        series = _series(found, mapping)
        proof = prove(series)
        if proof is not None:
            return _signs_by_balance(found, mapping, proof)
        if any(len(pairs) > 1 for pairs in series):
            found.unsure.append(f"Balance: {found.call(mapping.balance_column)} does not move by the amounts.")
    if mapping.amount_column is not None and mapping.direction_column is None and found.rows:
        return _signs_by_payments(found, mapping, below)
    return mapping


def _series(found: Findings, mapping: CsvMapping) -> list[list[tuple[int | None, int | None]]]:
    """Return amounts with the balances beside them, apart for each account and currency."""
    apart: dict[tuple[str, str], list[tuple[int | None, int | None]]] = {}
    for row in found.rows:
        balance = _minor(row.cell(mapping.balance_column), mapping.decimal)
        if balance is not None:
            key = row.cell(mapping.account_column), row.cell(mapping.currency_column)
            apart.setdefault(key, []).append((_moved(row, mapping), balance))
    return list(apart.values())


def _signs_by_balance(found: Findings, mapping: CsvMapping, proof: Proof) -> CsvMapping:
    """Take the sign under which amounts move the balance, unless the rows are plainly a card's.

    A card's balance is what is owed, so it tells the opposite: payments lower it.
    """
    found.evidence.append(
        f"Sign: {proof.agree} of {proof.steps} differences of the balance are the amounts"
        f"{' with the other sign' if proof.inverse else ''}, {'newest' if proof.newest_first else 'oldest'} first."
    )
    owed = _payments_alone(found, mapping, negative=not proof.inverse, words=_CARD_PAYMENT)
    if owed:
        found.unsure.append("Sign: payments of a card lower the balance, so it was taken for what is owed.")
    elif proof.inverse:
        found.unsure.append("Sign: the balance falls where amounts are above zero; they were taken as money out.")
    return replace(
        mapping,
        newest_first=proof.newest_first,
        inverse_sign=proof.inverse != owed,
        balance_proven=True,
        balance_is_owed=owed,
    )


def _payments_alone(found: Findings, mapping: CsvMapping, *, negative: bool, words: re.Pattern[str]) -> bool:
    """Return whether the fewer amounts, those below zero if `negative`, are all of them payments of a card."""
    if mapping.amount_column is None:
        return False
    texts: dict[bool, list[str]] = {True: [], False: []}
    for row in found.rows:
        parts = take_apart(row.cell(mapping.amount_column))
        if parts is not None:
            said = " ".join(row.cell(column) for column in mapping.description_columns)
            texts[parts.negative].append(said)
    fewer = texts[negative]
    return 0 < len(fewer) < len(texts[not negative]) and all(words.search(text) for text in fewer)


def _moved(row: Row, mapping: CsvMapping) -> int | None:
    """Return by how much a row moves the balance, if its sign is as it is written; to compare, not to keep."""
    if mapping.amount_column is None:
        out = abs(_minor(row.cell(mapping.debit_column), mapping.decimal) or 0)
        into = _minor(row.cell(mapping.credit_column), mapping.decimal) or 0
        return (abs(into) if mapping.credit_is_negative else into) - out
    amount = _minor(row.cell(mapping.amount_column), mapping.decimal)
    if amount is not None and mapping.fee_column is not None:
        amount -= _minor(row.cell(mapping.fee_column), mapping.decimal) or 0
    if amount is not None and mapping.direction_column is not None:
        return -amount if fold(row.cell(mapping.direction_column)) in OUT_WORDS else amount
    return amount


def _signs_by_payments(found: Findings, mapping: CsvMapping, below: int) -> CsvMapping:
    """Judge by the payments of a card: where they alone are below zero, purchases are above it."""
    if below == 0:
        found.unsure.append("Sign: no amount is below zero; say whether all of them are money in.")
        return mapping
    if _payments_alone(found, mapping, negative=True, words=_PAYMENT):
        found.unsure.append("Sign: only payments and refunds are below zero, so purchases were taken as money out.")
        return replace(mapping, inverse_sign=True)
    count = len(found.values(mapping.amount_column))
    found.evidence.append(f"Sign: {below} of {count} amounts are below zero and were taken as money out.")
    return mapping
