"""Statement texts that are made of named fields: which of them names the seller.

NACHA entries as American banks print them, SEPA transfers as Dutch and German ones do, Indian UPI.
"""

from __future__ import annotations

import re

_ENTRY = re.compile(
    r"ORIG CO NAME:\s*(?P<name>.+?)\s*(?:ORIG ID:.*?)?(?:DESC DATE:.*?)?CO ENTRY DESCR:\s*(?P<what>.*?)\s*SEC:.*",
    re.DOTALL,
)
_ENTRY_SHORT = re.compile(r"(?P<name>.+?)\s+DES:\s*(?P<what>.*?)\s*(?:\s(?:ID|INDN|CO ID|CONF):?.*)?$", re.DOTALL)
_FIELD_END = r"\s+(?=[A-ZÄÖÜ]{2,14}(?:[ -][A-Z]{1,12})?\s*:)|$|/"
"""A field ends where the next one is named."""
_NAME_FIELD = re.compile(
    rf"""\b(?:CO[ ]NAME|NAAM|NAME|EMPFÄNGER|EMPFAENGER|AUFTRAGGEBER|BEGÜNSTIGTER|EMISOR|ACREEDOR|BENEFICIARIO
    |CREDITOR|MERCHANT|PAYEE)\s*:\s*(?P<name>\S.*?)(?:{_FIELD_END})""",
    re.VERBOSE,
)
_SLASHED_NAME = re.compile(r"/NAME/(?P<name>[^/]+)/")
_TAIL = re.compile(
    r"""\s+(?:(?:PPD|WEB|CCD|CTX|TEL|ARC|POP|BOC|IAT)[ ]ID|ID|INDN|CO[ ]ID|TRN|TRACE(?:[ ]\#|[ ]NO)?|EED|IND[ ]ID
    |IND[ ]NAME|CONF\#?|VALUE[ ]DATE|KENMERK|OMSCHRIJVING|IBAN|BIC|EREF|MREF|CRED|MANDATE(?:[ ]NO|[ ]ID)?|REF(?:ERENCE)?
    |TRANSACTION\#|MANDATSREF|GLÄUBIGER-ID|CREDITOR[ ]ID|TRANSACTIE|DATUM|TERM|PASVOLGNR|TRANSACTION[ ]DATE
    |EFFECTIVE[ ]DATE|CARD[ ]NO|CARD)\s*[:+].*$""",
    re.DOTALL | re.VERBOSE,
)
_GENERIC_WORDS = """
    PAYMENT PAYMENTS PMT PMTS PYMT PYMTS PURCHASE PURCHASES PURCH WEB BILL ONLINE ACH DEBIT DEBITS TRANSFER XFER
    BILLPAY BILL_PAY WEB_PAY WEB_PMT ONLINE_PMT ONLINE_PAYMENT E-PAYMENT AUTOPAY AUTO_PAY BILL_PMT BILLPMT PAYMNT
    PREAUTHPMT ACH_PMT ACHPMT RECURRING ECHECK ELEC_PYMT UTIL_PYMT SUBSCRIPT
    """
_GENERIC = frozenset(_GENERIC_WORDS.split())
"""Entry descriptions that tell nothing."""
_UPI_PERSONS = re.compile(
    r"@(?:OKAXIS|OKHDFCBANK|OKICICI|OKSBI|YBL|IBL|AXL|UPI|APL|YAPL|FAM|WAAXIS|WAHDFCBANK|WAICICI|WASBI|JUPITERAXIS)\b"
)
_UPI_SELLERS = re.compile(r"\b(?:PAYTMQR|BHARATPE|Q\d{6,}|VYAPAR|GPAY-?\d|EURONET|RZP|RAZORPAY|CCAV|PAYU|BILLDESK|P2M)")
_UPI_NOISE = re.compile(r"\d+|UPI|DR|CR|P2[AM]|[A-Z]{4}0\w+|.*@.*|PAYMENT.*|\w{0,2}|[A-Z]{4}")


def statement_fields(text: str) -> str:
    """Return the seller's part of a text of fields, in capitals; other texts as they are."""
    if text.startswith("UPI"):
        return _upi(text)
    found = _ENTRY.search(text) or _ENTRY_SHORT.match(text)
    if found is not None:
        return _with_what(found.group("name"), found.group("what"))
    found = _NAME_FIELD.search(text) or _SLASHED_NAME.search(text)
    if found is not None and any(map(str.isalpha, found.group("name"))):
        return found.group("name")
    shorter = _TAIL.sub("", text)
    return shorter if any(map(str.isalpha, shorter)) else text


def _with_what(name: str, what: str) -> str:
    """Keep what the entry is for where that tells more than that it is a payment: `PAYROLL`, `EPAY`."""
    what = " ".join(what.split())
    return name if what.replace(" ", "_") in _GENERIC else f"{name} {what}"


def _upi(text: str) -> str:
    """Name the seller alone, but leave a person's payment to a person what it is."""
    parts = [part.strip() for part in re.split(r"[-/]", text)]
    names = [part for part in parts if _UPI_NOISE.fullmatch(part) is None]
    if not names:
        return text
    handle = _UPI_PERSONS.search(text)
    # Handles of wallets that small sellers use too say nothing about a name of one word.
    private = handle is not None and (" " in names[0] or handle.group().startswith("@OK"))
    personal = "P2A" in parts or (private and _UPI_SELLERS.search(text) is None)
    return f"UPI {names[0]}" if personal else names[0]
