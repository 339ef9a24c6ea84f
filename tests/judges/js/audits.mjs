// GraphQL over HTTP: all audits of graphql-http, of which even a MAY that is not met fails here.
import { serverAudits } from 'graphql-http';
import { URL, finish, ok, wrong } from './check.mjs';

for (const audit of serverAudits({ url: URL })) {
  const result = await audit.fn();
  const name = `${audit.id} ${audit.name}`;
  if (result.status === 'ok') ok(name);
  else wrong(name, `${result.status}: ${result.reason}`);
}
finish();
