"""Statements written from rows, in every format that is read, for the readers to read back."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from html import escape

from mintql.domain.money import to_decimal_text

ACCOUNT = "DE02120300000000202051"


@dataclass(frozen=True)
class Written:
    """A row to be written: `amount_minor` is negative for money out."""

    posted_on: date
    amount_minor: int
    text: str


def decimal(amount_minor: int, currency: str, mark: str = ".") -> str:
    return to_decimal_text(amount_minor, currency).replace(".", mark)


def ofx(rows: Sequence[Written], currency: str) -> bytes:
    body = "".join(
        f"<STMTTRN><TRNTYPE>OTHER<DTPOSTED>{row.posted_on:%Y%m%d}120000[-5:EST]<TRNAMT>{decimal(row.amount_minor, currency)}"
        f"<FITID>id-{number}<NAME>{escape(row.text, quote=False)}</STMTTRN>\r\n"
        for number, row in enumerate(rows)
    )
    return (
        "OFXHEADER:100\r\nDATA:OFXSGML\r\nVERSION:102\r\nENCODING:UNICODE\r\nCHARSET:NONE\r\n\r\n<OFX><BANKMSGSRSV1>"
        f"<STMTTRNRS><STMTRS><CURDEF>{currency}<BANKACCTFROM><BANKID>1<ACCTID>2<ACCTTYPE>CHECKING</BANKACCTFROM>"
        f"<BANKTRANLIST>{body}</BANKTRANLIST></STMTRS></STMTTRNRS></BANKMSGSRSV1></OFX>"
    ).encode()


def ofx_2(rows: Sequence[Written], currency: str) -> bytes:
    body = "".join(
        f"<STMTTRN><TRNTYPE>OTHER</TRNTYPE><DTPOSTED>{row.posted_on:%Y%m%d}</DTPOSTED>"
        f"<TRNAMT>{decimal(row.amount_minor, currency, ',')}</TRNAMT><FITID>{number + 1}</FITID>"
        f"<NAME>{escape(row.text)}</NAME></STMTTRN>"
        for number, row in enumerate(rows)
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?><?OFX OFXHEADER="200" VERSION="211"?><OFX><CREDITCARDMSGSRSV1>'
        f"<CCSTMTTRNRS><CCSTMTRS><CURDEF>{currency}</CURDEF><CCACCTFROM><ACCTID>2</ACCTID></CCACCTFROM><BANKTRANLIST>"
        f"{body}</BANKTRANLIST></CCSTMTRS></CCSTMTTRNRS></CREDITCARDMSGSRSV1></OFX>"
    ).encode("utf-16")


def qif(rows: Sequence[Written], currency: str) -> bytes:
    body = "".join(
        f"D{row.posted_on:%m/%d/%Y}\nT{decimal(row.amount_minor, currency)}\nP{row.text}\n^\n" for row in rows
    )
    return f"!Option:MDY\n!Type:Bank\n{body}".encode()


def camt(rows: Sequence[Written], currency: str) -> bytes:
    body = "".join(
        f"<Ntry><Amt Ccy='{currency}'>{decimal(abs(row.amount_minor), currency)}</Amt>"
        f"<CdtDbtInd>{'DBIT' if row.amount_minor < 0 else 'CRDT'}</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>"
        f"<BookgDt><Dt>{row.posted_on}</Dt></BookgDt><AcctSvcrRef>REFERENCE-{number}</AcctSvcrRef><NtryDtls><TxDtls>"
        f"<RmtInf><Ustrd>{escape(row.text)}</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry>"
        for number, row in enumerate(rows)
    )
    return (
        "<?xml version='1.0' encoding='UTF-8'?><Document xmlns='urn:iso:std:iso:20022:tech:xsd:camt.053.001.08'>"
        f"<BkToCstmrStmt><Stmt><Acct><Id><IBAN>{ACCOUNT}</IBAN></Id><Ccy>{currency}</Ccy></Acct>{body}</Stmt>"
        "</BkToCstmrStmt></Document>"
    ).encode()


def mt940(rows: Sequence[Written], currency: str) -> bytes:
    opening, closing = 100_00, 100_00 + sum(row.amount_minor for row in rows)
    lines = ["{1:F01BANKDEFFXXXX0000000000}{4:", ":20:START", f":25:{ACCOUNT}", ":28C:1/1"]
    lines.append(f":60F:C260101{currency}{decimal(opening, currency, ',')}{'' if '.' in decimal(1, currency) else ','}")
    for number, row in enumerate(rows):
        mark = "D" if row.amount_minor < 0 else "C"
        amount = decimal(abs(row.amount_minor), currency, ",")
        amount += "" if "," in amount else ","
        lines.append(f":61:{row.posted_on:%y%m%d%m%d}{mark}{amount}NTRFNONREF//REFERENCE-{number}")
        lines.append(f":86:{row.text}")
    amount = decimal(abs(closing), currency, ",")
    lines.append(f":62F:{'D' if closing < 0 else 'C'}261231{currency}{amount}{'' if ',' in amount else ','}")
    return "\r\n".join([*lines, "-}"]).encode()


def table(rows: Sequence[Written], currency: str) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["Date", "Description", "Amount", "Currency"])
    for row in rows:
        writer.writerow([row.posted_on, row.text, decimal(row.amount_minor, currency), currency])
    return text.getvalue().encode()


def german_table(rows: Sequence[Written], currency: str) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=";", quoting=csv.QUOTE_ALL)
    writer.writerow(["Konto", "Girokonto"])
    writer.writerow(["Buchungstag", "Verwendungszweck", "Soll", "Haben", "Währung"])
    for row in rows:
        amount = decimal(abs(row.amount_minor), currency, ",")
        pair = [amount, ""] if row.amount_minor < 0 else ["", amount]
        writer.writerow([f"{row.posted_on:%d.%m.%Y}", row.text, *pair, currency])
    return text.getvalue().encode("utf-16-le")


WRITERS: dict[str, Callable[[Sequence[Written], str], bytes]] = {
    "ofx 1": ofx,
    "ofx 2": ofx_2,
    "qif": qif,
    "camt": camt,
    "mt940": mt940,
    "table": table,
    "german table": german_table,
}
