"""How sure a category is and why it was chosen, both from what a transaction keeps of it: source and detail.

Details are written by the constructors here or by whoever decides, in these forms:

    manual        empty
    rule          `12 Coffee at work`: the rule's id and name
    memory        the merchant key
    transfer      the id of the other transaction
    crowd         `9/10`: votes for the category, of all votes
    institution   `MCC 5812` or `PFC FOOD_AND_DRINK_COFFEE`; the word `vague` follows where it covers many trades
    dictionary    how the seller was found, and its key: `exact: starbucks`, `listed beginning, abroad: blue door`
    keyword       what kind of words were found, and which: `bank: payroll`, `word: yoga`, `stem: pizz*`
    none          empty
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from mintql.domain.categories import CERTAIN, Categorization, CategorySource
from mintql.domain.ids import CategoryId
from mintql.domain.sellers import Found, Keyword, SellerMatch

_BY_SOURCE: Mapping[CategorySource, int] = MappingProxyType(
    {
        CategorySource.MANUAL: CERTAIN,
        CategorySource.RULE: CERTAIN,
        CategorySource.MEMORY: 97,
        CategorySource.TRANSFER: 95,
        CategorySource.INSTITUTION: 85,
        CategorySource.DICTIONARY: 85,
        CategorySource.KEYWORD: 75,
        CategorySource.NONE: 0,
    }
)
"""How often a reason is right, in percent, where its detail tells nothing more."""

_INSTITUTION = {"MCC": 90, "PFC": 85, "MCC vague": 60, "PFC vague": 55}
_DICTIONARY = {
    "exact": 94,
    "beginning": 91,
    "first word": 84,
    "domain": 92,
    "listed exact": 82,
    "listed beginning": 65,
    "listed first word": 55,
    "listed domain": 80,
}
_COMMON_NAME_PENALTY = 15
"""A large list's seller whose name is a common word is often not the one that is meant."""
_ABROAD_PENALTY = 30
_KEYWORD = {"bank": 95, "phrase": 85, "word": 70, "stem": 75}

_LISTED, _COMMON, _ABROAD = "listed ", ", common name", ", abroad"
VAGUE = " vague"
"""Ends the detail of an institution's code that covers many trades."""
_HOW = {
    Found.EXACT: "exact",
    Found.BEGINNING: "beginning",
    Found.FIRST_WORD: "first word",
    Found.DOMAIN: "domain",
}
_CROWD_CONFIDENCE_MAX = 97
_NO_MEANINGS: Mapping[str, str] = MappingProxyType({})


def reason(category_id: CategoryId, source: CategorySource, detail: str) -> Categorization:
    """Return a category with its reason and how sure that is."""
    return Categorization(category_id, source, detail, confidence(source, detail))


def code_detail(taxonomy: str, code: str, *, vague: bool) -> str:
    """Return the detail of an institution's code: `MCC 5812`, `PFC GENERAL_MERCHANDISE vague`."""
    return f"{taxonomy.upper()} {code}{VAGUE if vague else ''}"


def seller_detail(match: SellerMatch) -> str:
    """Return the detail of a seller found in the dictionary."""
    how = _HOW[match.how]
    if not match.curated:
        how = f"{_LISTED}{how}{'' if match.telling else _COMMON}{'' if match.in_scope else _ABROAD}"
    return f"{how}: {match.key}"


def keyword_detail(keyword: Keyword) -> str:
    """Return the detail of words found in a merchant key."""
    phrase = keyword.phrase
    if keyword.of_bank:
        return f"bank: {phrase}"
    kind = "stem" if phrase.endswith("*") else "phrase" if " " in phrase else "word"
    return f"{kind}: {phrase}"


def confidence(source: CategorySource, detail: str) -> int:
    """Return how often, in whole percent, such a reason is right; 0 where nothing was found."""
    overall = _BY_SOURCE.get(source, 0)
    if source is CategorySource.CROWD:
        return _crowd_confidence(detail)
    if source is CategorySource.INSTITUTION:
        taxonomy, _, code = detail.partition(" ")
        return _INSTITUTION.get(taxonomy + (VAGUE if code.endswith(VAGUE) else ""), overall)
    kind = detail.partition(": ")[0]
    if source is CategorySource.KEYWORD:
        return _KEYWORD.get(kind, overall)
    if source is CategorySource.DICTIONARY:
        how = kind.removesuffix(_ABROAD).removesuffix(_COMMON)
        penalties = _ABROAD_PENALTY * (_ABROAD in kind) + _COMMON_NAME_PENALTY * (_COMMON in kind)
        return _DICTIONARY.get(how, overall) - penalties
    return overall


def _crowd_confidence(detail: str) -> int:
    """Return the share of votes, nearer to one half the fewer there are."""
    votes_for, _, votes = detail.partition("/")
    if not (votes_for.isdecimal() and votes.isdecimal()):
        return _crowd_confidence("0/0")
    return min(_CROWD_CONFIDENCE_MAX, (100 * (int(votes_for) + 1)) // (int(votes) + 2))


def explanation(source: CategorySource, detail: str, meanings: Mapping[str, str] = _NO_MEANINGS) -> str:
    """Return an English sentence that says why, naming the rule, vote, code or entry.

    Args:
        source: Who or what decided.
        detail: As the transaction keeps it.
        meanings: What merchant category codes mean, by their four digits.
    """
    if source is CategorySource.INSTITUTION:
        return _institution_explanation(detail, meanings)
    return _EXPLANATIONS[source](detail)


def _institution_explanation(detail: str, meanings: Mapping[str, str]) -> str:
    vague = detail.endswith(VAGUE)
    taxonomy, _, code = detail.removesuffix(VAGUE).partition(" ")
    if taxonomy == "MCC":
        meaning = meanings.get(code, "")
        said = f"The institution gives the merchant category code {code}{f' ({meaning})' if meaning else ''}"
    else:
        said = f"The institution puts it into {code or taxonomy}"
    return f"{said}, which covers many trades; nothing tells more." if vague else f"{said}."


def _dictionary_explanation(detail: str) -> str:
    kind, _, key = detail.rpartition(": ")
    whose = "The dictionary of sellers has"
    if kind.startswith(_LISTED) and _ABROAD in kind:
        whose += ", in other countries,"
    how = kind.removeprefix(_LISTED).removesuffix(_ABROAD).removesuffix(_COMMON)
    what = {
        "beginning": f"“{key}”, with which the name begins",
        "first word": f"“{key}”, the first word of the name",
        "domain": f"the seller “{key}”, whose web address this is",
    }.get(how, f"“{key}”")
    return f"{whose} {what}{', which is a common word as well' if _COMMON in kind else ''}."


def _keyword_explanation(detail: str) -> str:
    kind, _, phrase = detail.rpartition(": ")
    if kind == "bank":
        return f"Banks write “{phrase.removesuffix('*')}” for this."
    if phrase.endswith("*"):
        return f"A word of the name begins with “{phrase.removesuffix('*')}”."
    return f"The name has “{phrase}”."


def _rule_explanation(detail: str) -> str:
    return f"Your rule “{detail.partition(' ')[2] or detail}” says so."


def _crowd_explanation(detail: str) -> str:
    votes_for, _, votes = detail.partition("/")
    return f"{votes_for} of {votes} people who chose a category for this seller chose this one."


_EXPLANATIONS: Mapping[CategorySource, Callable[[str], str]] = MappingProxyType(
    {
        CategorySource.MANUAL: lambda _: "You chose this category for this transaction.",
        CategorySource.RULE: _rule_explanation,
        CategorySource.MEMORY: lambda detail: f"You chose this category for “{detail}” before.",
        CategorySource.TRANSFER: lambda _: "It is one side of a transfer between your own accounts.",
        CategorySource.CROWD: _crowd_explanation,
        CategorySource.DICTIONARY: _dictionary_explanation,
        CategorySource.KEYWORD: _keyword_explanation,
        CategorySource.NONE: lambda _: "Nothing is known that tells a category.",
    }
)
