// What every program here says: a line for each check, and at the end how many held.

export const URL = process.env.MINTQL_API_URL + '/graphql';
export const TOKEN = process.env.MINTQL_TOKEN;
export const PATIENCE_MS = 120_000; // It costs time only where something is wrong, and a busy machine takes its time.

let passed = 0;
let failed = 0;

export function ok(name) {
  passed += 1;
  console.log(`ok      ${name}`);
}

export function wrong(name, why) {
  failed += 1;
  console.log(`FAILED  ${name}: ${why}`);
}

/** Run one check, which throws when something is wrong, and within a bounded time. */
export async function check(name, work) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing within ${PATIENCE_MS / 1000} s`)), PATIENCE_MS);
  });
  try {
    await Promise.race([work(), late]);
    ok(name);
  } catch (error) {
    wrong(name, error?.stack ?? (error?.code ? `closed with ${error.code} ${error.reason}` : JSON.stringify(error)));
  } finally {
    clearTimeout(timer);
  }
}

export function finish() {
  console.log(JSON.stringify({ passed, failed }));
  process.exit(failed ? 1 : 0);
}

/** Ask by plain HTTP what has to work. */
export async function ask(query, variables = {}, token = TOKEN) {
  const response = await fetch(URL, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/graphql-response+json',
      ...(token && { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify({ query, variables }),
  });
  const answer = await response.json();
  if (answer.errors) throw new Error(JSON.stringify(answer.errors));
  return answer.data;
}

let transactions;
let turn = 0;

/** Note something on the next transaction, which is one event of `transactionsChanged`; return its id. `run` sends it. */
export async function note(run = ask) {
  transactions ??= (await ask('{ transactions(first: 50) { nodes { id } } }')).transactions.nodes;
  const { id } = transactions[turn++ % transactions.length];
  const { annotateTransaction: told } = await run(
    'mutation ($id: ID!, $note: String!) { annotateTransaction(id: $id, note: $note) { __typename } }',
    { id, note: `noted ${turn} by ${process.pid}` },
  );
  if (told.__typename !== 'AnnotateTransactionSuccess') throw new Error(JSON.stringify(told));
  return id;
}

export const CHANGES = 'subscription ($after: Cursor) { transactionsChanged(after: $after) { cursor changed { id } } }';

/** Ask the one who started us to end the API with a signal and start it again; resolve when it is being ended. */
export function restartServer() {
  console.log('@restart');
}

/** Follow a subscription; `payload.variables` may be changed for the next time that the client connects. */
export function follow(client, payload) {
  const items = [];
  const waiting = [];
  const put = (item) => (waiting.length ? waiting.shift()(item) : items.push(item));
  const stop = client.subscribe(payload, {
    next: (result) => put({ result }),
    error: (error) => put({ end: error }),
    complete: () => put({ end: 'complete' }),
  });
  const take = () => (items.length ? Promise.resolve(items.shift()) : new Promise((give) => waiting.push(give)));
  return {
    stop,
    /** How many items wait to be taken. */
    get size() {
      return items.length;
    },
    /** Give the next change; throw what ended the subscription. */
    async next() {
      const { result, end } = await take();
      if (end) throw end;
      if (result.errors) throw new Error(JSON.stringify(result.errors));
      return result.data.transactionsChanged;
    },
    /** Give what ended the subscription, and what its last result said was wrong. */
    async ended() {
      const { result, end } = await take();
      if (result?.errors) return { ...(await this.ended()), errors: result.errors };
      if (result) throw new Error(`it goes on: ${JSON.stringify(result)}`);
      return end === 'complete' ? { code: 'complete' } : { code: end.code, reason: end.reason };
    },
  };
}

/** Run one operation to its end; return its results, or throw what the client reports. */
export async function collect(client, payload) {
  const results = [];
  for await (const result of client.iterate(payload)) results.push(result);
  return results;
}

export function same(found, expected) {
  const [a, b] = [JSON.stringify(found), JSON.stringify(expected)];
  if (a !== b) throw new Error(`${a} is not ${b}`);
}

export const sleep = (ms) => new Promise((wake) => setTimeout(wake, ms));
