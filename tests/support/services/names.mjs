// Services of the classic TypeScript SDK (0.8.1) under names that are no identifiers.
//
// Started like `classic.mjs`, which describes the settings.

import http2 from "node:http2";
import path from "node:path";
import { createRequire } from "node:module";

const require = createRequire(path.join(process.env.SDK_HOME, "package.json"));
const restate = require("@restatedev/restate-sdk");

const greeter = restate.router({
  greet: async (ctx, name) => `Hello ${name}`,
});

const counter = restate.keyedRouter({
  add: async (ctx, key, n) => {
    const total = ((await ctx.get("n")) ?? 0) + n;
    ctx.set("n", total);
    return total;
  },
});

const endpoint = restate
  .endpoint()
  .bindRouter("greeter-service", greeter)
  .bindKeyedRouter("my.counter", counter);
const server = http2.createServer(endpoint.http2Handler());
server.listen(Number(process.env.BED_PORT ?? 0), "127.0.0.1", 512, () => {
  console.log(JSON.stringify({ port: server.address().port }));
});
