"""What every reader of statement files gives, and how it refuses."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from mintql.domain.errors import Failure
from mintql.domain.institutions import AccountKind, ProviderTransaction, RejectedRow

FILE_BYTES_MAX = 64 * 1024 * 1024
ROWS_MAX = 1_000_000
EXCERPT_CHARACTERS_MAX = 200


class FileKind(StrEnum):
    """The formats that can be read."""

    OFX = "ofx"
    QIF = "qif"
    CSV = "csv"
    CAMT = "camt"
    MT940 = "mt940"


class FileUnreadable(Failure):
    """The file as a whole cannot be read; the message says why, and what to do where something can be done."""

    code = "FILE_UNREADABLE"


@dataclass(frozen=True, slots=True)
class Statement:
    """One account's part of a file.

    `account_external_id` is how the file names the account (an IBAN, a number with its bank's), empty where
    it does not. `balance_minor` is the booked closing balance and `balance_on` its day, None where the file
    says neither. Transactions carry the file's own ids where those tell rows apart, else "".
    `first_day` and `last_day`, both included, are the days that the statement covers: as the file says, else those
    of its rows; None where there is neither.
    """

    account_external_id: str
    account_kind: AccountKind
    currency: str
    transactions: tuple[ProviderTransaction, ...]
    balance_minor: int | None = None
    balance_on: date | None = None
    first_day: date | None = None
    last_day: date | None = None


@dataclass(frozen=True, slots=True)
class ParsedFile:
    """All that a file says. `rejected` names lines that could not be read; `notices` what was unsure.

    `evidence` tells in words how it was read and why. `signature` is the same for files of one kind from one source:
    what a person chose for a file holds for the next one with its signature.
    """

    kind: FileKind
    encoding: str
    statements: tuple[Statement, ...]
    rejected: tuple[RejectedRow, ...] = ()
    notices: tuple[str, ...] = field(default=())
    evidence: tuple[str, ...] = ()
    signature: str = ""

    @property
    def without_currency(self) -> bool:
        """Whether there are rows whose currency nothing says: somebody has to, before they can be kept."""
        return any(row.currency == "" for statement in self.statements for row in statement.transactions)
