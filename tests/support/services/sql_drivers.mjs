// Postgres drivers of node against a server. Usage: sql_drivers.mjs <port> <scenario>; prints one JSON value.
// Run with SDK_HOME pointing to the folder of node_modules.
import { createRequire } from "node:module";

const require = createRequire(`${process.env.SDK_HOME}/`);
const pg = require("pg");
const Cursor = require("pg-cursor");
const postgres = require("postgres");

const [port, scenario] = process.argv.slice(2);
const url = `postgres://reader@127.0.0.1:${port}/restate`;
const COUNTERS = "select service_key, value_utf8 from state where service_name = 'Counter' order by service_key";
const SERIES = "select * from generate_series(1, 5000)";

async function connected(use) {
  const client = new pg.Client(url);
  await client.connect();
  try {
    return await use(client);
  } finally {
    await client.end();
  }
}

const scenarios = {
  pg_default: () =>
    connected(async (client) => ({
      counters: (await client.query({ text: COUNTERS, rowMode: "array" })).rows,
      one: (await client.query("select value_utf8 from state where service_name = $1 and service_key = $2", ["Counter", "pear"])).rows,
      bound: (await client.query("select value_utf8 from state where value_length >= $1 and service_key = any($2) limit $3", [1, ["pear"], 10])).rows,
      time: (await client.query("select to_timestamp(0) as t, cast(18446744073709551615 as bigint unsigned) as n, true as b")).rows,
    })),
  pg_named: () =>
    connected(async (client) => {
      const found = [];
      for (let n = 0; n < 3; n++) found.push((await client.query({ name: "twice", text: "select $1::int8 * 2 as n", values: [n] })).rows[0].n);
      return found;
    }),
  pg_cursor: () =>
    connected(async (client) => {
      const cursor = client.query(new Cursor(SERIES));
      const sizes = [];
      for (;;) {
        const rows = await cursor.read(1500);
        if (rows.length === 0) break;
        sizes.push(rows.length);
      }
      await cursor.close();
      return sizes;
    }),
  pg_pool: async () => {
    const pool = new pg.Pool({ connectionString: url, max: 3 });
    const found = await Promise.all([...Array(12).keys()].map(async (n) => Number((await pool.query("select $1::int8 + 1 as n", [n])).rows[0].n)));
    await pool.end();
    return found;
  },
  pg_errors: () =>
    connected(async (client) => {
      const found = [];
      for (const sql of ["selec", "select nothere from state", "delete from state"])
        await client.query(sql).catch((error) => found.push(error.code));
      found.push((await client.query("select 'still here' as x")).rows[0].x);
      return found;
    }),
  postgres_default: async () => {
    const sql = postgres(url, { max: 2 });
    const result = {
      counters: (await sql.unsafe(COUNTERS)).map((row) => [row.service_key, row.value_utf8]),
      one: [...(await sql`select value_utf8 from state where service_name = ${"Counter"} and service_key = ${"pear"}`)],
      array: [...(await sql`select ${[1, 2]}::int[] as a`)],
      names: (await sql`select name from sys_service where name in ${sql(["Counter", "Steps"])} order by name`).map((row) => row.name),
    };
    await sql.end();
    return result;
  },
  postgres_cursor: async () => {
    const sql = postgres(url, { max: 1 });
    const sizes = [];
    for await (const rows of sql.unsafe(SERIES).cursor(1500)) sizes.push(rows.length);
    await sql.end();
    return sizes;
  },
};

console.log(JSON.stringify(await scenarios[scenario]()));
