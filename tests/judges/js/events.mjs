// GraphQL over server-sent events, distinct connections mode, by the client graphql-sse.
import { NetworkError, createClient } from 'graphql-sse';
import { CHANGES, TOKEN, URL, check, collect, finish, follow, note, restartServer, same, sleep } from './check.mjs';

const BEGUN_MS = 500; // A stream says nothing when it has begun.
const RETRY_MS = 200;

function open(options = {}) {
  return createClient({ url: URL, headers: { authorization: `Bearer ${TOKEN}` }, retryAttempts: 0, ...options });
}

await check('a query over a stream gives its answer and completes', async () => {
  same(await collect(open(), { query: '{ __typename }' }), [{ data: { __typename: 'Query' } }]);
});

await check('a mutation over a stream gives its answer and completes', async () => {
  await note(async (query, variables) => {
    const results = await collect(open(), { query, variables });
    same(results.length, 1);
    return results[0].data;
  });
});

await check('a document that is not valid is told of in the stream, which completes', async () => {
  const results = await collect(open(), { query: '{ nothing }' });
  same(results.length, 1);
  same(results[0].errors[0].extensions.code, 'BAD_USER_INPUT');
});

await check('a document that cannot be parsed is told of in the stream, which completes', async () => {
  const results = await collect(open(), { query: '{' });
  same(results.length, 1);
  same(results[0].errors[0].extensions.code, 'GRAPHQL_PARSE_FAILED');
});

let cursor;

await check('a subscription is told of what happens', async () => {
  const changes = follow(open(), { query: CHANGES });
  await sleep(BEGUN_MS);
  const id = await note();
  const item = await changes.next();
  same(item.changed, [{ id }]);
  cursor = item.cursor;
  changes.stop();
});

await check('what happened while nobody listened is replayed after the cursor, in order', async () => {
  const ids = [await note(), await note(), await note()];
  const changes = follow(open(), { query: CHANGES, variables: { after: cursor } });
  for (const id of ids) {
    const item = await changes.next();
    same(item.changed, [{ id }]);
    cursor = item.cursor;
  }
  changes.stop();
});

await check('subscriptions of one client are connections of their own', async () => {
  const client = open();
  const all = [1, 2, 3].map(() => follow(client, { query: CHANGES, variables: { after: cursor } }));
  all[0].stop();
  const id = await note();
  for (const changes of all.slice(1)) {
    const item = await changes.next();
    same(item.changed, [{ id }]);
    cursor = item.cursor;
  }
  client.dispose();
});

await check('the client connects again after the server has gone away, and misses and repeats nothing', async () => {
  let again = 0;
  const client = open({
    retryAttempts: Infinity,
    retry: () => sleep(RETRY_MS),
    on: { connected: (reconnected) => (again += reconnected) },
  });
  const payload = { query: CHANGES, variables: { after: cursor } };
  const changes = follow(client, payload);
  const step = async (id) => {
    const item = await changes.next();
    same(item.changed, [{ id }]);
    cursor = item.cursor;
    payload.variables.after = cursor; // What the client sends when it connects again.
  };
  await step(await note());
  restartServer();
  while (!again) await sleep(50);
  await step(await note());
  await step(await note());
  same(changes.size, 0);
  client.dispose();
});

await check('without a session the stream says so', async () => {
  const results = await collect(open({ headers: {} }), { query: CHANGES });
  same(results[0].errors[0].extensions.code, 'UNAUTHENTICATED');
});

await check('single connection mode, which is not offered, is refused with 405 and not left hanging', async () => {
  const client = open({ singleConnection: true });
  try {
    await collect(client, { query: '{ __typename }' });
  } catch (error) {
    if (!(error instanceof NetworkError)) throw error;
    same(error.response.status, 405);
    return;
  }
  throw new Error('it was accepted');
});

finish();
