// PostGraphile 5 over the views of `peer` (bench/_reads_data.py), as bench/read.py measures it: run in the folder it
// is installed in. A request's session token is looked up as mintql's is, and every statement runs under row-level
// security as that person. Settings follow its page on production: NODE_ENV and GRAPHILE_ENV, no explain, no IDE, no
// watching, prepared statements (its default), a pool of a fixed size.

import { createHash } from "node:crypto";
import { createServer } from "node:http";
import pg from "pg";
import { postgraphile } from "postgraphile";
import { makePgService } from "postgraphile/adaptors/pg";
import { grafserv } from "postgraphile/grafserv/node";
import { PostGraphileAmberPreset } from "postgraphile/presets/amber";

// It calls this, which node has since version 22.
Promise.withResolvers ??= function withResolvers() {
  const made = {};
  made.promise = new this((resolve, reject) => Object.assign(made, { resolve, reject }));
  return made;
};

const size = Number(process.env.BENCH_POOL_SIZE);
const pool = new pg.Pool({
  host: process.env.PEER_PG_HOST,
  database: process.env.PEER_PG_DATABASE,
  user: process.env.PEER_PG_USER,
  max: size,
  min: size,
  idleTimeoutMillis: 0,
  options: "-c jit=off -c enable_bitmapscan=off -c enable_seqscan=off",
});
pool.on("error", (error) => console.error(error));

const lookUp = { name: "session", text: "SELECT user_id FROM public.session_by_token($1)" };

async function pgSettings(authorization) {
  const hash = createHash("sha256").update((authorization ?? "").replace(/^Bearer /, "")).digest();
  const { rows } = await pool.query({ ...lookUp, values: [hash] });
  if (!rows.length) throw new Error("this needs a session");
  return { role: "mintql_api", "mintql.user_id": rows[0].user_id };
}

const preset = {
  extends: [PostGraphileAmberPreset],
  pgServices: [makePgService({ pool, schemas: ["peer"] })],
  grafast: {
    explain: false,
    context: async (request) => ({ pgSettings: await pgSettings(request.node?.req.headers.authorization) }),
  },
  grafserv: { graphqlPath: "/graphql", graphiql: false, websockets: false, watch: false },
};

const server = createServer({ keepAliveTimeout: 120_000 });
await postgraphile(preset).createServ(grafserv).addTo(server, false);
server.listen(Number(process.env.PORT), "127.0.0.1");
