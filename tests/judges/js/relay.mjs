// The schema as Relay sees it: its compiler, on screens that page, fetch again, change and follow.
import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { check, finish } from './check.mjs';

const MADE = 'relay/__generated__';

await check('relay-compiler compiles the screens without an error', async () => {
  rmSync(MADE, { recursive: true, force: true });
  const ended = spawnSync('node', ['../node_modules/relay-compiler/cli.js', 'relay.config.json'], {
    cwd: 'relay',
    encoding: 'utf8',
  });
  if (ended.status !== 0) throw new Error(ended.stdout + ended.stderr);
});

for (const name of ['Transactions', 'Notifications', 'Backwards', 'Runs']) {
  await check(`screens${name} is a list that loads on by a query of its own`, async () => {
    const made = readFileSync(`${MADE}/screens${name}PageQuery.graphql.js`, 'utf8');
    if (!made.includes('"LinkedHandle"') && !made.includes('"handle": "connection"')) throw new Error(made);
  });
}

for (const name of ['Transaction', 'Account', 'Runs']) {
  await check(`screens${name} is fetched again by node and id`, async () => {
    const file = name === 'Runs' ? 'screensRunsPageQuery' : `screens${name}RefetchQuery`;
    const made = readFileSync(`${MADE}/${file}.graphql.js`, 'utf8');
    if (!made.includes('node(id: $id)')) throw new Error(made);
  });
}

finish();
