// Actual's own import over the batches that bench/ingest.py wrote down, run in the folder that `@actual-app/api` is
// installed in: node actual.mjs STEPS RESULTS DATA. Each step is a list of accounts with the rows their bank shows;
// `importTransactions` is called for one account after the other, as its API has it, on one budget in SQLite.

import { readFileSync, writeFileSync } from "node:fs";
import * as api from "@actual-app/api";

const [steps, results, dataDir] = [JSON.parse(readFileSync(process.argv[2])), process.argv[3], process.argv[4]];
await api.init({ dataDir });
const ids = new Map();
await api.runImport("bench", async () => {
  for (const name of new Set(steps.flatMap((step) => step.accounts.map((account) => account.name))))
    ids.set(name, await api.createAccount({ name, offbudget: false }, 0));
});
const found = [];
for (const step of steps) {
  const asked = step.accounts.map(({ name, rows }) => [ids.get(name), rows.map((row) => ({ ...row, account: ids.get(name) }))]);
  const cpu = process.cpuUsage();
  const start = performance.now();
  let added = 0;
  for (const [id, rows] of asked) {
    const told = await api.importTransactions(id, rows);
    if (told.errors?.length) throw new Error(JSON.stringify(told.errors));
    added += told.added.length;
  }
  const { user, system } = process.cpuUsage(cpu);
  found.push({ clock_seconds: (performance.now() - start) / 1e3, processor_seconds: (user + system) / 1e6, added });
}
writeFileSync(results, JSON.stringify(found));
await api.shutdown();
