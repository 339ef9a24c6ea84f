"""How fast statement files are read, against the least that anybody has to do with the same bytes.

    ./dev bench readers [--rows 20000] [--repeat 5]

The floor of each format is a library in C going over the same bytes in the same run, making nothing of what it finds:

    csv     csv.reader over the decoded text
    ofx     re.findall of every tag with its text
    qif     str.split into lines
    camt    iterparse of xml.etree, its elements dropped at once
    mt940   re.findall of every field with its first line

Rounds of floor and reader alternate, in processor seconds of this process, and the median is printed, because the
machine is shared. `front door` is the time that `read_file` takes beyond the reader alone: telling the kind.
"""

from __future__ import annotations

import argparse
import csv
import io
import random
import re
import statistics
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import dataclass

from mintql.institutions.files.reading import detect, read_file

SHOPS = ("WHOLEFDS MDF 10380", "SHELL OIL 57444212", "NETFLIX.COM", "SQ *BLUE BOTTLE 0042", "Café Müller")


@dataclass(frozen=True)
class Case:
    """A file of one format and its floor."""

    content: bytes
    floor: Callable[[bytes], object]


def rows_of(count: int) -> list[tuple[int, str, str, int]]:
    """Day of March, amount without its sign, seller and number of each row."""
    dice = random.Random(1)
    return [
        (dice.randint(1, 28), f"{dice.randint(1, 99_999) / 100:.2f}", dice.choice(SHOPS), number)
        for number in range(count)
    ]


def table(count: int) -> Case:
    lines = [f'2026-03-{day:02d},"{shop} {number}",-{amount},EUR' for day, amount, shop, number in rows_of(count)]
    content = "\n".join(["Date,Description,Amount,Currency", *lines]).encode()
    return Case(content, lambda text: sum(1 for _ in csv.reader(io.StringIO(text.decode()))))


def ofx(count: int) -> Case:
    body = "".join(
        f"<STMTTRN>\n<TRNTYPE>DEBIT\n<DTPOSTED>202603{day:02d}120000[-5:EST]\n<TRNAMT>-{amount}\n<FITID>F{number}\n"
        f"<NAME>{shop}\n<MEMO>Card {number}\n</STMTTRN>\n"
        for day, amount, shop, number in rows_of(count)
    )
    head = "OFXHEADER:100\nDATA:OFXSGML\nVERSION:102\nCHARSET:1252\n\n<OFX><BANKMSGSRSV1><STMTTRNRS><STMTRS><CURDEF>EUR"
    account = "<BANKACCTFROM><BANKID>1<ACCTID>2<ACCTTYPE>CHECKING</BANKACCTFROM><BANKTRANLIST>"
    return Case(
        f"{head}{account}{body}</BANKTRANLIST></STMTRS></STMTTRNRS></BANKMSGSRSV1></OFX>".encode("cp1252"),
        lambda text: len(re.findall(r"<(/?)([A-Z.]+)>([^<]*)", text.decode("cp1252"))),
    )


def qif(count: int) -> Case:
    body = "".join(
        f"D03/{day:02d}/2026\nT-{amount}\nP{shop}\nMCard {number}\n^\n" for day, amount, shop, number in rows_of(count)
    )
    return Case(f"!Type:Bank\n{body}".encode(), lambda text: len(text.decode().split("\n")))


def camt(count: int) -> Case:
    body = "".join(
        f"<Ntry><Amt Ccy='EUR'>{amount}</Amt><CdtDbtInd>DBIT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>"
        f"<BookgDt><Dt>2026-03-{day:02d}</Dt></BookgDt><AcctSvcrRef>REF{number:09d}</AcctSvcrRef>"
        "<NtryDtls><TxDtls><Refs><EndToEndId>NOTPROVIDED</EndToEndId></Refs>"
        f"<RltdPties><Cdtr><Pty><Nm>{shop}</Nm></Pty></Cdtr></RltdPties><RmtInf><Ustrd>Card {number}</Ustrd></RmtInf>"
        "</TxDtls></NtryDtls></Ntry>"
        for day, amount, shop, number in rows_of(count)
    )
    head = "<?xml version='1.0' encoding='UTF-8'?><Document xmlns='urn:iso:std:iso:20022:tech:xsd:camt.053.001.08'>"
    account = "<BkToCstmrStmt><Stmt><Acct><Id><IBAN>DE02120300000000202051</IBAN></Id><Ccy>EUR</Ccy></Acct>"
    return Case(f"{head}{account}{body}</Stmt></BkToCstmrStmt></Document>".encode(), walk_xml)


def walk_xml(content: bytes) -> int:
    count = 0
    for _, element in ET.iterparse(io.BytesIO(content)):
        count += 1
        element.clear()
    return count


def mt940(count: int) -> Case:
    body = "".join(
        f":61:2603{day:02d}03{day:02d}D{amount.replace('.', ',')}NTRFNONREF//REF{number:09d}\n"
        f":86:166?00CARD?20SVWZ+Card {number}?32{shop}\n"
        for day, amount, shop, number in rows_of(count)
    )
    return Case(
        f":20:1\n:25:12030000/1234567\n:28C:1/1\n:60F:C260301EUR1000,00\n{body}-\n".encode(),
        lambda text: len(re.findall(r"^:(\d\d[A-Z]?):(.*)$", text.decode(), re.MULTILINE)),
    )


def seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def measured(case: Case, repeat: int) -> tuple[float, float, float]:
    """Median seconds of the floor, of reading, and of telling the kind."""
    rounds = [
        (
            seconds(lambda: case.floor(case.content)),
            seconds(lambda: read_file(case.content)),
            seconds(lambda: detect(case.content)),
        )
        for _ in range(repeat)
    ]
    floor, reading, telling = (statistics.median(times) for times in zip(*rounds, strict=True))
    return floor, reading, telling


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000, help="rows a file")
    parser.add_argument("--repeat", type=int, default=5, help="rounds")
    options = parser.parse_args()
    print(f"{options.rows} rows a file, median of {options.repeat} rounds")
    print(f"{'':8}{'bytes/row':>10}{'floor rows/s':>15}{'read rows/s':>15}{'ratio':>8}{'front door':>12}")
    for name, make in (("csv", table), ("ofx", ofx), ("qif", qif), ("camt", camt), ("mt940", mt940)):
        case = make(options.rows)
        read = sum(len(statement.transactions) for statement in read_file(case.content).statements)
        if read != options.rows:
            raise SystemExit(f"{name}: {read} of {options.rows} rows were read")
        floor, reading, telling = measured(case, options.repeat)
        print(
            f"{name:8}{len(case.content) / options.rows:10.0f}{options.rows / floor:15,.0f}"
            f"{options.rows / reading:15,.0f}{floor / reading:8.3f}{telling / reading:11.1%}"
        )


if __name__ == "__main__":
    main()
