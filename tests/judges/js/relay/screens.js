// Screens as a Relay frontend would write them: pages that are loaded on, parts that are fetched again, objects by id,
// changes and streams. The compiler says whether the schema is one that Relay can work with.
import { graphql } from 'relay-runtime';

graphql`
  query screensHomeQuery($month: Month!, $count: Int = 20) {
    viewer {
      id
      email
      currency
    }
    accounts {
      ...screensAccount
    }
    budgets(month: $month) {
      category {
        id
        name
      }
      limit {
        amount
        currency
      }
    }
    ...screensTransactions @arguments(count: $count)
    ...screensNotifications
  }
`;

graphql`
  fragment screensTransactions on Query
  @refetchable(queryName: "screensTransactionsPageQuery")
  @argumentDefinitions(
    count: { type: "Int", defaultValue: 50 }
    cursor: { type: "Cursor" }
    filter: { type: "TransactionFilter" }
  ) {
    transactions(first: $count, after: $cursor, filter: $filter)
      @connection(key: "screens_transactions", filters: ["filter"]) {
      edges {
        node {
          id
          ...screensTransaction
        }
      }
      pageInfo {
        hasPreviousPage
        startCursor
      }
    }
  }
`;

graphql`
  fragment screensNotifications on Query
  @refetchable(queryName: "screensNotificationsPageQuery")
  @argumentDefinitions(count: { type: "Int", defaultValue: 20 }, cursor: { type: "Cursor" }) {
    notifications(first: $count, after: $cursor) @connection(key: "screens_notifications") {
      edges {
        node {
          title
          readAt
        }
      }
    }
  }
`;

graphql`
  fragment screensBackwards on Query
  @refetchable(queryName: "screensBackwardsPageQuery")
  @argumentDefinitions(count: { type: "Int", defaultValue: 20 }, cursor: { type: "Cursor" }) {
    transactions(last: $count, before: $cursor) @connection(key: "screens_backwards_transactions") {
      edges {
        node {
          id
        }
      }
    }
  }
`;

graphql`
  fragment screensTransaction on Transaction @refetchable(queryName: "screensTransactionRefetchQuery") {
    postedOn
    merchant
    note
    amount {
      amount
      currency
    }
    category {
      name
    }
    account {
      ...screensAccount
    }
  }
`;

graphql`
  fragment screensAccount on Account @refetchable(queryName: "screensAccountRefetchQuery") {
    name
    balance {
      amount
      currency
    }
    connection {
      ...screensRuns
    }
  }
`;

graphql`
  fragment screensRuns on Connection
  @refetchable(queryName: "screensRunsPageQuery")
  @argumentDefinitions(count: { type: "Int", defaultValue: 10 }, cursor: { type: "Cursor" }) {
    status
    runs(first: $count, after: $cursor) @connection(key: "screens_runs") {
      edges {
        node {
          state
          percentDone
        }
      }
    }
  }
`;

graphql`
  query screensObjectQuery($id: ID!) {
    node(id: $id) {
      __typename
      id
      ...screensTransaction @alias
      ...screensAccount @alias
    }
  }
`;

graphql`
  mutation screensNoteMutation($id: ID!, $note: String) {
    annotateTransaction(id: $id, note: $note) {
      __typename
      ... on AnnotateTransactionSuccess {
        transaction {
          ...screensTransaction
        }
      }
      ... on Error {
        code
        message
        field
      }
    }
  }
`;

graphql`
  subscription screensChangesSubscription($after: Cursor) {
    transactionsChanged(after: $after) {
      cursor
      added {
        ...screensTransaction
      }
      changed {
        ...screensTransaction
      }
      removedIds
    }
  }
`;
