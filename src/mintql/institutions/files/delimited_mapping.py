"""Understanding a table: which column is which, how its dates and amounts are written, and why that is thought."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from mintql.institutions.files.amounts import take_apart
from mintql.institutions.files.base import FileUnreadable
from mintql.institutions.files.csv_mapping import CsvMapping
from mintql.institutions.files.dates import DateEvidence, DateOrder, find_order, is_date
from mintql.institutions.files.delimited_findings import (
    DATES_SHARE_MIN,
    Findings,
    first,
    is_amount,
    is_direction,
    share,
)
from mintql.institutions.files.delimited_headings import EXPORTS, OWN_ACCOUNT_SURE, ROLES, Export
from mintql.institutions.files.delimited_signs import find_amounts, find_signs
from mintql.institutions.files.delimited_table import Row, modal_width
from mintql.institutions.files.delimited_words import (
    fold,
    named_currency,
    without_currency,
)
from mintql.institutions.files.options import AS_FOUND, ReadOptions

HEADING_LINES_MAX = 60
"""A table begins within these lines: banks put at most some dozens of lines about the account before it."""

_CHINESE_WALLETS = ("支付宝", "微信支付")
DOLLARS = frozenset({"USD", "CAD", "AUD", "NZD", "SGD", "HKD", "TWD", "MXN", "CLP", "COP", "ARS"})
"""Currencies whose own sign is "$"."""


def understand(rows: Sequence[Row], base: CsvMapping, options: ReadOptions = AS_FOUND) -> CsvMapping:
    """Return how these rows are to be read, with what the person said about it.

    Raises:
        FileUnreadable: No column holds dates, or none holds amounts.
    """
    heading, data = _heading(rows)
    # Sums, notes and rows without a date stand at the end of many tables, and say nothing about the others.
    found = Findings([row for row in data if _is_data(row)] or data, heading)
    if heading is None:
        found.evidence.append("Headings: none, the first line is a transaction already.")
    else:
        found.evidence.append(f"Headings: line {heading.line} names the columns and holds no date or amount.")
    export = next((one for one in EXPORTS if one.headings <= set(found.folded)), None)
    if export:
        found.evidence.append(f"Source: an export of {export.words}, by its headings.")
    mapping = replace(
        base,
        source=export.source if export else "",
        header_line=heading.line if heading else 0,
        first_line=_first_line(rows, heading.line if heading else 0, data[0].line)
        if data
        else (heading.line + 1 if heading else 1),
        headings=found.headings,
    )
    date_column = _date_column(found)
    others = tuple(column for column in found.named("date") if column != date_column)
    status = first(found.named("status"))
    mapping = replace(mapping, date_column=date_column, other_date_columns=others, status_column=status)
    mapping = find_amounts(found, mapping, options.decimal)
    mapping = _texts(found, mapping)
    mapping = _currency(found, mapping, rows)
    mapping = _order(found, mapping, export, options.date_order)
    mapping = find_signs(found, mapping, export, inverse=options.inverse_sign)
    return replace(
        mapping,
        evidence=base.evidence + tuple(found.evidence),
        unsure=base.unsure + tuple(found.unsure),
    )


def _heading(rows: Sequence[Row]) -> tuple[Row | None, list[Row]]:
    """Return the line with the headings, if there is one, and the rows that are transactions."""
    width = modal_width(list(rows))
    good = [row for row in rows if not row.blank and not row.problem]
    start = next((number for number, row in enumerate(good) if _is_data(row)), len(good))
    before = [row for row in good[:start] if row.line <= HEADING_LINES_MAX]
    dates, amounts = set(ROLES["date"]), set(ROLES["amount"]) | set(ROLES["debit"])
    for row in reversed(before):
        folded = {fold(without_currency(cell)) for cell in row.cells}
        if folded & dates and folded & amounts:
            return row, good[start:]
    if start < len(good):
        for row in reversed(before[-3:]):
            said = [cell for cell in row.cells if cell.strip()]
            if len(row.cells) >= width - 1 and len(said) >= 2 and not any(map(is_amount, said)):  # noqa: PLR2004
                return row, good[start:]
        return None, good[start:]
    raise FileUnreadable("This table has no line with a date and an amount; is it a list of transactions?")


def _first_line(rows: Iterable[Row], heading_line: int, data_line: int) -> int:
    """Return the first line behind the headings that is to be read: that of the first transaction at the latest.

    One whose amount cannot be read may stand before it, to be put aside with the reason and not passed over. Empty
    lines do not count: the next file of this make may have none.
    """
    between = [row for row in rows if heading_line < row.line < data_line and not row.blank]
    if heading_line and not between:
        return heading_line + 1
    width = max((len(row.cells) for row in between), default=0)
    dated = (row.line for row in between if len(row.cells) >= max(width, 2) and any(map(is_date, row.cells)))
    return min((data_line, *dated))


def _is_data(row: Row) -> bool:
    cells = [cell.strip() for cell in row.cells]
    return any(map(is_date, cells)) and any(is_amount(cell) for cell in cells if not is_date(cell))


def _date_column(found: Findings) -> int:
    named = found.named("date")
    for column in named:
        if not found.rows or share(found.values(column), is_date) >= DATES_SHARE_MIN:
            found.evidence.append(f"Date: {found.call(column)}, by its heading and what it holds.")
            return column
    width = max((len(row.cells) for row in found.rows), default=0)
    shares = {
        column: share(found.values(column), is_date) * len(found.values(column)) / len(found.rows)
        for column in range(width)
    }
    best = max(shares, key=lambda column: shares[column], default=None)
    if best is None or shares[best] < DATES_SHARE_MIN / 2:
        raise FileUnreadable("No column of this table holds dates.")
    others = [column for column in shares if shares[column] >= DATES_SHARE_MIN and column != best]
    found.evidence.append(f"Date: {found.call(best)}, as {shares[best]:.0%} of its cells are dates.")
    if others:
        found.unsure.append(f"Date: {', '.join(map(found.call, others))} could be meant as well.")
    return best


def _texts(found: Findings, mapping: CsvMapping) -> CsvMapping:
    """Find what describes a transaction, whose account it is, and what names it."""
    used = {
        mapping.date_column, mapping.amount_column, mapping.debit_column, mapping.credit_column,
        mapping.balance_column, mapping.status_column,
    }  # fmt: skip
    described = [c for c in (*found.named("name"), *found.named("text")) if c not in used]
    if mapping.source == "mint":
        described = found.named("text")[:1]
    described = [c for c in dict.fromkeys(described) if not is_direction(found, c)]
    if not described:
        width = max((len(row.cells) for row in found.rows), default=0)
        worded = [c for c in range(width) if c not in used and share(found.values(c), _has_words) > 0.5]  # noqa: PLR2004
        described = [c for c in worded if len(set(found.values(c))) > 1 or len(found.rows) == 1] or worded
        if described:
            found.unsure.append(f"Description: {', '.join(map(found.call, described))}, as they hold words.")
    else:
        found.evidence.append(f"Description: {', '.join(map(found.call, described))}, by their headings.")
    account = next(
        (
            c
            for c in found.named("account")
            if c not in used
            and len(found.values(c)) == len(found.rows)
            and (found.folded[c] in OWN_ACCOUNT_SURE or len(set(found.values(c))) == 1)
        ),
        None,
    )
    return replace(mapping, description_columns=tuple(described), account_column=account, id_column=_id_column(found))


def _has_words(text: str) -> bool:
    return bool(re.search(r"[^\W\d_]{3}", text)) and not is_date(text) and not is_amount(text)


def _id_column(found: Findings) -> int | None:
    """Return the column whose values tell all rows apart and are long enough not to count rows of this file."""
    for column in found.named("id"):
        values = found.values(column)
        if len(values) == len(set(values)) == len(found.rows) and all(len(text) >= 6 for text in values):  # noqa: PLR2004
            found.evidence.append(f"Id: {found.call(column)}, as no two rows share one.")
            return column
    return None


def _currency(found: Findings, mapping: CsvMapping, rows: Sequence[Row]) -> CsvMapping:
    """Find the currency: a column, a sign beside the amounts, a heading, or a line before the table."""
    for column in found.named("currency"):
        values = found.values(column)
        if values and all(re.fullmatch(r"[A-Za-z]{3}", text) for text in values):
            found.evidence.append(f"Currency: {found.call(column)} names it for each row.")
            return replace(mapping, currency_column=column)
    if any(name in text for row in rows[:HEADING_LINES_MAX] for text in row.cells for name in _CHINESE_WALLETS):
        found.evidence.append("Currency: CNY, as Alipay's and WeChat Pay's tables are.")
        return replace(mapping, currency="CNY")
    return _currency_in_words(found, mapping, rows)


def _currency_in_words(found: Findings, mapping: CsvMapping, rows: Sequence[Row]) -> CsvMapping:
    """Find the currency where no column names it for each row."""
    columns = (mapping.amount_column, mapping.debit_column, mapping.credit_column, mapping.balance_column)
    beside = {parts.currency for c in columns for text in found.values(c) if (parts := take_apart(text))} - {""}
    if len(beside) == 1:
        currency = beside.pop()
        dollars = any("$" in text for column in columns for text in found.values(column)[:100])
        if dollars and currency == "USD" and mapping.currency in DOLLARS:
            return mapping
        found.evidence.append(f"Currency: {currency} stands beside the amounts.")
        if dollars:
            found.unsure.append("Currency: a dollar sign was taken for US dollars.")
        return replace(mapping, currency=currency)
    entitled = [found.headings[c] for c in columns if c is not None and c < len(found.headings)]
    before = [" ".join(row.cells) for row in rows if row.line < max(mapping.header_line, mapping.first_line)]
    for place, texts in (("a heading", [*entitled, *found.headings]), ("the lines before the table", before)):
        for text in texts:
            code = named_currency(text)
            if code:
                found.evidence.append(f"Currency: {code}, by {place}.")
                return replace(mapping, currency=code)
    if mapping.source == "mint" and not mapping.currency:
        found.unsure.append("Currency: Mint's exports name none; US dollars were taken.")
        return replace(mapping, currency="USD")
    taken = f"{mapping.currency} was taken" if mapping.currency else "say which it is"
    found.unsure.append(f"Currency: the file names none; {taken}.")
    return mapping


def _order(found: Findings, mapping: CsvMapping, export: Export | None, said: DateOrder | None) -> CsvMapping:
    currencies = {mapping.currency} if mapping.currency else set(found.values(mapping.currency_column))
    american = (export is not None and export.source in {"mint", "ynab"}) or currencies == {"USD"}
    likely = DateOrder.MDY if american and mapping.decimal == "." else DateOrder.DMY
    dates = DateEvidence(said, "as you said", sure=True) if said else None
    dates = dates or find_order(found.values(mapping.date_column), likely=likely)
    (found.evidence if dates.sure else found.unsure).append(f"Date order: {dates.order.words}; {dates.words}.")
    return replace(mapping, date_order=dates.order)
