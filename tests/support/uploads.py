"""Sending files as the GraphQL multipart request specification has it, and small files to send."""

from __future__ import annotations

import json
from typing import Any

import httpx

from support.clients import RESPONSE_JSON, Client

PREVIEW = """
fragment Preview on ImportPreview {
  import { id state fileName kind sizeBytes run { id state reason } }
  encoding evidence unsure rejectedTotal notices
  rejected { line reason excerpt }
  options { kind currency dateOrder decimal inverseSign mapping { delimiter dateColumn amountColumn dateOrder } }
  statements {
    place name kind currency take rowsTotal newRows duplicates rejected firstDay lastDay balanceOn
    balance { amount currency }
    account { id name } newAccount { name kind currency }
    rows {
      postedOn description pending merchant amount { amount currency } category { name }
      duplicateOf { why certain transaction { id } }
    }
  }
}
"""
IMPORT = (
    """
mutation Import($file: Upload!, $account: ID, $options: ImportOptionsInput, $confirm: Boolean! = false) {
  importTransactions(file: $file, accountId: $account, options: $options, confirm: $confirm) {
    __typename
    ...Preview
    ... on Error { code message field }
  }
}
"""
    + PREVIEW
)
CORRECT = (
    """
mutation Correct($id: ID!, $options: ImportOptionsInput, $statements: [ImportStatementInput!]) {
  correctImport(id: $id, options: $options, statements: $statements) {
    __typename
    ...Preview
    ... on Error { code message field }
  }
}
"""
    + PREVIEW
)
CONFIRM = """
mutation Confirm($id: ID!) {
  confirmImport(id: $id) {
    __typename
    ... on ImportRunSuccess { import { id state } run { id state reason } }
    ... on Error { code message field }
  }
}
"""

CSV = b"""Date,Description,Amount
2026-11-02,CORNER COFFEE,-4.50
2026-11-02,CORNER COFFEE,-4.50
2026-11-03,WHOLE FOODS MARKET,-82.10
2026-11-15,ACME PAYROLL,2500.00
"""


def ofx(rows: list[tuple[str, str, str, str]], *, account: str = "4000123456", balance: str = "100.00") -> bytes:
    """A statement of (FITID, day, amount, name) rows in US dollars."""
    told = "".join(
        f"<STMTTRN><TRNTYPE>OTHER<DTPOSTED>{day}<TRNAMT>{amount}<FITID>{fitid}<NAME>{name}</STMTTRN>"
        for fitid, day, amount, name in rows
    )
    return (
        "OFXHEADER:100\nDATA:OFXSGML\nVERSION:102\nSECURITY:NONE\nENCODING:USASCII\nCHARSET:1252\nCOMPRESSION:NONE\n"
        "OLDFILEUID:NONE\nNEWFILEUID:NONE\n\n<OFX><BANKMSGSRSV1><STMTTRNRS><TRNUID>1<STATUS><CODE>0<SEVERITY>INFO"
        f"</STATUS><STMTRS><CURDEF>USD<BANKACCTFROM><BANKID>1<ACCTID>{account}<ACCTTYPE>CHECKING</BANKACCTFROM>"
        f"<BANKTRANLIST><DTSTART>20261101<DTEND>20261130{told}</BANKTRANLIST><LEDGERBAL><BALAMT>{balance}"
        "<DTASOF>20261130</LEDGERBAL></STMTRS></STMTTRNRS></BANKMSGSRSV1></OFX>"
    ).encode()


async def post_form(client: Client, operations: Any, name: str, content: bytes, **headers: str) -> httpx.Response:
    """Send a request with one file, whose place in the variables is `file`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await client.http.post(
        client.url,
        data={"operations": json.dumps(operations), "map": json.dumps({"0": ["variables.file"]})},
        files={"0": (name, content)},
        headers={"accept": RESPONSE_JSON} | client.headers() | named,
    )


async def send_file(client: Client, content: bytes, name: str = "may.csv", **variables: Any) -> dict[str, Any]:
    """Import a file; return what `importTransactions` gives."""
    answer = (
        await post_form(client, {"query": IMPORT, "variables": {"file": None, **variables}}, name, content)
    ).json()
    assert "errors" not in answer, answer["errors"]
    return answer["data"]["importTransactions"]


async def confirm(client: Client, preview: dict[str, Any]) -> dict[str, Any]:
    return (await client.ask(CONFIRM, id=preview["import"]["id"]))["confirmImport"]
