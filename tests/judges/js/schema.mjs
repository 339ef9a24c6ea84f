// The schema as other tools see it: read by graphql-js from the running server, and held against schema.graphql.
import { readFileSync } from 'node:fs';
import {
  buildClientSchema,
  buildSchema,
  getIntrospectionQuery,
  lexicographicSortSchema,
  printSchema,
  validateSchema,
} from 'graphql';
import { ask, check, finish, same } from './check.mjs';

let served;

await check('the whole introspection of graphql-js is answered', async () => {
  const options = { specifiedByUrl: true, directiveIsRepeatable: true, schemaDescription: true, inputValueDeprecation: true };
  served = buildClientSchema(await ask(getIntrospectionQuery(options)));
});

await check('it is a valid schema', async () => {
  same(validateSchema(served).map((error) => error.message), []);
});

await check('it is the schema of schema.graphql', async () => {
  const sorted = (schema) => printSchema(lexicographicSortSchema(schema));
  const written = buildSchema(readFileSync('relay/schema.graphql', 'utf8'));
  same(validateSchema(written).map((error) => error.message), []);
  if (sorted(served) !== sorted(written)) throw new Error('they differ');
});

finish();
