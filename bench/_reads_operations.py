"""What is asked for in `bench/read.py`: of mintql, and of a peer that calls the same things by other names."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from mintql.domain.node_ids import node_id

PAGE_SIZE = 50
FILTERED_CATEGORY_ID = 601
FILTERED_DAYS = 365

ROW = """
    nodes { id postedOn merchant amount { amountMinor currency } category { name group { name } } account { name } }
    pageInfo { hasNextPage endCursor }
"""
PEER_ROW = """
    nodes {
      transactionId postedOn merchant amountMinor currency category { name group { name } } account { name }
    }
    pageInfo { hasNextPage endCursor }
"""


@dataclass(frozen=True)
class Operation:
    """One thing to ask for: its path at the floor, and texts and variables for the two GraphQL servers."""

    name: str
    text: str
    variables: dict[str, Any]
    peer_text: str
    peer_variables: dict[str, Any]


def since(today: date) -> date:
    """Return the first day of the filtered page."""
    return today - timedelta(days=FILTERED_DAYS)


def operations(today: date) -> list[Operation]:
    """Return the operations as asked on a day."""
    month = f"{today:%Y-%m}"
    category = node_id("Category", FILTERED_CATEGORY_ID)
    return [
        Operation(
            "page",
            f"query Page($first: Int!) {{ transactions(first: $first) {{ {ROW} }} }}",
            {"first": PAGE_SIZE},
            "query Page($first: Int!) { allTransactions(first: $first, orderBy: [POSTED_ON_DESC, TRANSACTION_ID_DESC])"
            f" {{ {PEER_ROW} }} }}",
            {"first": PAGE_SIZE},
        ),
        Operation(
            "dashboard",
            "query Dashboard($month: Month!) {"
            " accounts { id name kind balance { amountMinor currency } }"
            " monthlySpending(from: $month, to: $month) { month categories {"
            "   category { name } spent { amountMinor currency } received { amountMinor } pending { amountMinor } count"
            " } }"
            " budgets(month: $month) {"
            "   category { name } limit { amountMinor currency } spent { amountMinor } remaining { amountMinor }"
            " } }",
            {"month": month},
            "query Dashboard($month: Date!) {"
            " allAccounts(orderBy: ACCOUNT_ID_ASC) { nodes { accountId name kind balanceMinor currency } }"
            " allSpendings(condition: {month: $month}, orderBy: [KIND_ASC, TOTAL_MINOR_DESC, CATEGORY_ID_ASC])"
            " { nodes { category { name } spentMinor currency receivedMinor pendingMinor count } }"
            " allBudgets(condition: {month: $month}, orderBy: PLACE_ASC) { nodes {"
            "   category { name } limitMinor currency spentMinor remainingMinor } } }",
            {"month": f"{month}-01"},
        ),
        Operation(
            "filtered",
            f"query Filtered($first: Int!, $filter: TransactionFilter!)"
            f" {{ transactions(first: $first, filter: $filter) {{ {ROW} }} }}",
            {"first": PAGE_SIZE, "filter": {"categoryIds": [category], "from": since(today).isoformat()}},
            "query Filtered($first: Int!, $category: Int!, $since: Date!)"
            " { transactionsIn(first: $first, ofCategory: $category, since: $since)"
            f" {{ {PEER_ROW} }} }}",
            {"first": PAGE_SIZE, "category": FILTERED_CATEGORY_ID, "since": since(today).isoformat()},
        ),
    ]
