// graphql-transport-ws, by the client most frontends use: graphql-ws.
import { CloseCode, createClient } from 'graphql-ws';
import WebSocket from 'ws';
import { CHANGES, TOKEN, URL, ask, check, collect, finish, follow, note, restartServer, same, sleep } from './check.mjs';

const url = URL.replace('http', 'ws');
const authorized = { authorization: `Bearer ${TOKEN}` };
const BEGUN_MS = 500; // A stream says nothing when it has begun.
const RETRY_MS = 200;
const SERVICE_RESTART = 1012;

function open(options = {}) {
  return createClient({
    url,
    webSocketImpl: WebSocket,
    connectionParams: authorized,
    retryAttempts: 0,
    ...options,
  });
}

/** A WebSocket that offers these subprotocols, whatever the client wants to offer. */
function offering(protocols) {
  return class extends WebSocket {
    constructor(address) {
      super(address, protocols);
    }
  };
}

async function fails(work) {
  try {
    await work;
  } catch (error) {
    return error;
  }
  throw new Error('nothing was wrong');
}

await check('a query over a WebSocket gives its answer and completes', async () => {
  const client = open();
  same(await collect(client, { query: '{ __typename }' }), [{ data: { __typename: 'Query' } }]);
  await client.dispose();
});

await check('a mutation over a WebSocket gives its answer and completes', async () => {
  const client = open();
  await note(async (query, variables) => {
    const results = await collect(client, { query, variables });
    same(results.length, 1);
    return results[0].data;
  });
  await client.dispose();
});

let cursor; // Of the newest change of all.

await check('a subscription is told of what happens', async () => {
  const client = open();
  const changes = follow(client, { query: CHANGES });
  await sleep(BEGUN_MS);
  const id = await note();
  const item = await changes.next();
  same(item.changed, [{ id }]);
  cursor = item.cursor;
  changes.stop();
  same((await changes.ended()).code, 'complete');
  await client.dispose();
});

await check('what happened while nobody listened is replayed after the cursor, in order', async () => {
  const ids = [await note(), await note(), await note()];
  const client = open();
  const changes = follow(client, { query: CHANGES, variables: { after: cursor } });
  for (const id of ids) {
    const item = await changes.next();
    same(item.changed, [{ id }]);
    cursor = item.cursor;
  }
  changes.stop();
  await client.dispose();
});

await check('the client connects again after the server has gone away, and misses and repeats nothing', async () => {
  const closed = [];
  const client = open({
    retryAttempts: Infinity,
    retryWait: () => sleep(RETRY_MS),
    shouldRetry: () => true,
    on: { closed: (event) => closed.push(event.code) },
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
  for (let round = 0; round < 2; round++) {
    const closedBefore = closed.length;
    restartServer();
    while (closed.length === closedBefore) await sleep(50);
    same(closed[closedBefore], SERVICE_RESTART);
    let id;
    while (!id) id = await note().catch(() => sleep(RETRY_MS)); // Until the server is there again.
    await step(id);
    await step(await note());
  }
  changes.stop();
  same(changes.size, 0);
  await client.dispose();
});

await check('pings are answered', async () => {
  let pongs = 0;
  const client = open({ keepAlive: 50, lazyCloseTimeout: 10_000, on: { pong: (received) => (pongs += received) } });
  await collect(client, { query: '{ __typename }' });
  while (pongs < 3) await sleep(20);
  await client.dispose();
});

await check('many operations share a socket, and each completes by itself', async () => {
  let opened = 0;
  const client = open({ lazyCloseTimeout: 1000, on: { opened: () => (opened += 1) } });
  const all = Array.from({ length: 20 }, (_, n) => collect(client, { query: `{ a${n}: __typename }` }));
  const results = await Promise.all(all);
  results.forEach((found, n) => same(found, [{ data: { [`a${n}`]: 'Query' } }]));
  same(opened, 1);
  await client.dispose();
});

await check('an operation that is none is an error, and the socket goes on', async () => {
  const client = open({ lazyCloseTimeout: 1000 });
  const errors = await fails(collect(client, { query: '{ nothing }' }));
  same(errors[0].extensions.code, 'BAD_USER_INPUT');
  same(await collect(client, { query: '{ __typename }' }), [{ data: { __typename: 'Query' } }]);
  await client.dispose();
});

await check('a token that does not hold closes with 4403', async () => {
  const client = open({ connectionParams: { authorization: 'Bearer none' } });
  const closed = await fails(collect(client, { query: '{ __typename }' }));
  same(closed.code, CloseCode.Forbidden);
});

await check('without a token what needs a session says so, and the rest is answered', async () => {
  const client = open({ connectionParams: undefined, lazyCloseTimeout: 1000 });
  same(await collect(client, { query: '{ __typename }' }), [{ data: { __typename: 'Query' } }]);
  const found = await collect(client, { query: CHANGES }).catch((errors) => [{ errors }]);
  same(found[0].errors[0].extensions.code, 'UNAUTHENTICATED');
  await client.dispose();
});

await check('when the session ends, a stream says so or the socket is closed with 4403', async () => {
  const { signUp } = await ask(
    `mutation ($email: String!) { signUp(email: $email, password: "correct horse battery", name: "Ada") {
      ... on SignInSuccess { token } } }`,
    { email: `judge${process.pid}.${Date.now()}@example.org` },
    null,
  );
  const client = open({ connectionParams: { authorization: `Bearer ${signUp.token}` } });
  const changes = follow(client, { query: CHANGES });
  await sleep(BEGUN_MS);
  await ask(
    'mutation { deleteAccount(password: "correct horse battery") { __typename } }',
    {},
    signUp.token,
  );
  const end = await changes.ended();
  if (end.errors) same(end.errors[0].extensions.code, 'UNAUTHENTICATED');
  else same(end.code, CloseCode.Forbidden);
});

await check('a client that offers no subprotocol is closed with 4406', async () => {
  const client = open({ webSocketImpl: offering([]) });
  const end = await fails(collect(client, { query: '{ __typename }' }));
  same(end.code, CloseCode.SubprotocolNotAcceptable);
});

for (const protocol of ['graphql-ws', 'soap']) {
  await check(`a client that offers only the subprotocol ${protocol} does not get in`, async () => {
    const client = open({ webSocketImpl: offering([protocol]) });
    const end = await fails(collect(client, { query: '{ __typename }' }));
    same(end.message, 'Server sent no subprotocol');
  });
}

await check('two open operations of one id close with 4409', async () => {
  const client = open({ generateID: () => 'one', lazyCloseTimeout: 1000 });
  const first = follow(client, { query: CHANGES });
  await sleep(BEGUN_MS);
  const second = follow(client, { query: CHANGES });
  const end = await Promise.race([first.ended(), second.ended()]);
  same(end.code, CloseCode.SubscriberAlreadyExists);
});

await check('an id can be used again once its operation is complete', async () => {
  const client = open({ generateID: () => 'one', lazyCloseTimeout: 1000 });
  for (let n = 0; n < 3; n++) same((await collect(client, { query: '{ __typename }' })).length, 1);
  const changes = follow(client, { query: CHANGES, variables: { after: cursor } });
  await sleep(BEGUN_MS);
  changes.stop();
  same((await collect(client, { query: '{ __typename }' })).length, 1);
  await client.dispose();
});

finish();
