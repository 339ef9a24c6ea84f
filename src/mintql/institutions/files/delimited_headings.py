"""What banks and budget programs call their columns, in the languages of the places they come from.

Names are folded (`delimited_words.fold`): no case, accents or punctuation. The likelier name stands first.
"""

from __future__ import annotations

from dataclasses import dataclass

ROLES: dict[str, tuple[str, ...]] = {
    "date": (
        "booking date", "posting date", "posted date", "post date", "date posted", "posted", "buchungstag",
        "buchungsdatum", "buchung", "boekdatum", "boekingsdatum", "data ksiegowania", "date comptable",
        "date de comptabilisation", "data contabile", "bokforingsdag", "bokforingsdatum", "bogforingsdato",
        "datum zauctovani", "completed date", "date completed", "fecha operacion", "fecha de operacion",
        "date", "datum", "fecha", "data", "dato", "date operation", "date de l operation", "data operacji",
        "data operazione", "data transakcji", "transaction date", "trans date", "transactiedatum",
        "transaktionsdatum", "datum provedeni", "kirjauspaiva", "maksupaiva", "data lancamento",
        "konyveles datuma", "datum transakce", "dag", "value date", "valutadatum", "wertstellung",
        "wertstellungsdatum", "valuta", "rentedatum", "fecha valor", "date valeur", "data valuta",
        "data waluty", "started date", "created on", "datetime", "timestamp", "date time", "交易日期", "交易时间",
        "记账日期", "日期", "дата", "дата операции", "datetime",
    ),
    "amount": (
        "amount", "transaction amount", "betrag", "umsatz", "bedrag", "montant", "importe", "importo",
        "kwota",
        "kwota operacji", "kwota transakcji", "belopp", "belob", "belop", "castka", "objem", "osszeg",
        "valor",
        "summa", "maara", "сумма", "сумма операции", "montant euros", "amount total",
        "source amount after fees", "net amount", "net", "amount signed", "montant de l operation",
        "value", "gross", "suma",
        "金额", "交易金额",
    ),
    "debit": (
        "debit", "debit amount", "debits", "debit euros", "ut fra konto", "soll", "belastung", "ausgang",
        "ausgabe", "ausgaben",
        "lastschrift", "af", "uit", "debet", "cargo", "cargos", "withdrawal", "withdrawals",
        "withdrawal amount", "withdrawal amt", "paid out", "money out", "outflow", "addebiti", "addebito",
        "dare", "uscite", "obciazenia", "obciazenie", "ut", "ud", "out", "spent", "支出",
    ),
    "credit": (
        "credit", "credit amount", "credits", "credit euros", "inn pa konto", "haben", "gutschrift",
        "eingang", "einnahme", "einnahmen", "bij",
        "abono", "abonos", "deposit", "deposits", "deposit amount", "deposit amt", "paid in", "money in",
        "inflow", "accrediti", "accredito", "avere", "entrate", "uznania", "uznanie", "in", "ind", "kredit",
        "received", "收入",
    ),
    "balance": (
        "balance", "running balance", "account balance", "balance after", "saldo", "solde", "kontostand",
        "kontosaldo", "saldo po operacji", "saldo po transakcji", "saldo nach buchung", "saldo na mutatie",
        "saldo na trn", "bokfort saldo", "zustatek", "egyenleg", "closing balance", "accountbalance",
        "available balance", "running bal", "остаток", "余额", "账户余额",
    ),
    "direction": (
        "transaction type", "debit credit", "credit debit", "af bij", "soll haben", "s h", "d c", "dr cr",
        "cr dr", "type", "credit debit indicator", "credit or debit", "details", "sens", "strona", "bij af",
        "debit credit indicator", "direction", "收/支", "收 支",
    ),
    "currency": (
        "currency", "ccy", "source currency", "валюта", "валюта операции", "currency code", "wahrung",
        "waehrung", "munt", "muntsoort", "devise", "moneda",
        "divisa", "waluta", "valuta", "valuutta", "mena", "deviza", "devizanem", "moeda", "币种",
    ),
    "name": (
        "payee", "merchant", "merchant name", "name", "beguenstigter zahlungspflichtiger",
        "begunstigter zahlungspflichtiger", "auftraggeber empfanger", "empfanger", "beguenstigter",
        "zahlungsempfanger", "zahlungsempfanger in", "zahlungsempfanger*in", "name zahlungsbeteiligter",
        "auftraggeber beguenstigter", "naam omschrijving", "naam tegenpartij", "tegenpartij", "kontrahent",
        "dane kontrahenta", "nadawca odbiorca", "odbiorca", "beneficiary", "beneficiario", "counterparty",
        "counterparty name", "partner name", "beneficiaire", "tiers", "mottagare", "modtager",
        "nazev protiuctu", "namn", "target name", "контрагент", "交易对方", "对方户名",
    ),
    "text": (
        "description", "transaction description", "details", "narrative", "narration", "particulars",
        "transaction details", "transaction remarks", "remarks", "verwendungszweck",
        "vorgang verwendungszweck", "omschrijving", "mededelingen", "libelle", "libelle de l operation",
        "concepto", "descripcion", "descrizione", "descrizione operazione", "causale", "opis",
        "opis operacji",
        "tytul", "tytul operacji", "text", "tekst", "beskrivning", "beskrivelse", "meddelande", "popis",
        "zprava pro prijemce", "kozlemeny", "descricao", "historico", "message", "selite", "buchungstext",
        "memo", "notes", "note", "reference", "payment reference", "original description", "betreff",
        "rubrik", "label", "poznamka", "forklaring", "описание", "назначение", "операция", "摘要",
        "商品", "商品说明", "备注",
    ),
    "account": (
        "account", "account name", "account number", "account no", "auftragskonto", "iban auftragskonto",
        "rekening", "iban rekening", "iban bban", "numer rachunku", "rachunek", "compte", "cuenta", "conto",
        "kontonummer", "konto", "iban", "product",
    ),
    "id": (
        "transaction id", "transactionid", "fitid", "unique id", "transaction reference", "transaktions id",
        "id", "bank reference", "id operacji", "交易订单号", "交易单号",
    ),
    "status": ("status", "state", "info", "当前状态", "stato", "etat", "estado", "交易状态"),
}  # fmt: skip

OWN_ACCOUNT_SURE = frozenset({
    "account", "account name", "account number", "account no", "auftragskonto", "iban auftragskonto",
    "rekening", "iban rekening", "iban bban",
})  # fmt: skip
"""Other names of the account's column name the other party's account at some banks."""

OUT_WORDS = frozenset({
    "debit", "d", "dr", "dbit", "soll", "s", "af", "out", "withdrawal", "debet", "-", "expense", "uscita",
    "obciazenie", "uit", "ausgang", "debito", "cargo", "money out", "支出",
})  # fmt: skip
IN_WORDS = frozenset({
    "credit", "c", "cr", "crdt", "haben", "h", "bij", "in", "deposit", "+", "income", "entrata", "uznanie",
    "eingang", "kredit", "credito", "abono", "money in", "收入",
})  # fmt: skip

NO_WAY_WORDS = frozenset({"不计收支", "neutral"})
"""What stands where money neither comes nor goes, such as between the person's own pots; refunds excepted."""

REFUND_WORDS = ("退款", "refund")

PENDING_WORDS = frozenset({
    "pending", "vorgemerkt", "ausstehend", "authorised", "authorized", "authorisation", "processing",
    "en attente", "pendiente", "in sospeso", "oczekujaca", "reserved", "nicht gebucht", "umsatz vorgemerkt",
})  # fmt: skip
VOID_WORDS = frozenset({
    "reverted", "declined", "failed", "cancelled", "canceled", "rejected", "expired", "refused", "abgelehnt",
    "交易关闭",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Export:
    """A budget program's export, known by headings that only it has all of."""

    source: str
    words: str
    headings: frozenset[str]


EXPORTS = (
    Export(
        "firefly",
        "Firefly III",
        frozenset({
            "journal id", "type", "amount", "source name", "source type", "destination name",
            "destination type",
        }),
    ),
    Export(
        "revolut",
        "Revolut",
        frozenset({
            "type", "product", "started date", "completed date", "description", "amount", "fee", "currency", "state",
        }),
    ),
    Export(
        "mint",
        "Mint",
        frozenset({
            "date", "description", "original description", "amount", "transaction type", "account name",
        }),
    ),
    Export(
        "ynab",
        "YNAB",
        frozenset({
            "account", "flag", "date", "payee", "memo", "outflow", "inflow", "cleared",
        }),
    ),
    Export(
        "actual",
        "Actual",
        frozenset({
            "account", "date", "payee", "notes", "category", "amount", "cleared",
        }),
    ),
)  # fmt: skip
