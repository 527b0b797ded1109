// A keyed router in two versions on the classic TypeScript SDK (0.8.1), to register one after the other.
//
// Run by `tests.support.programs` with node; settings as for classic.mjs. What a file `version` in BED_DIR says:
// "full" has both methods, "reduced" only one, "unkeyed" both but no key.

import fs from "node:fs";
import http2 from "node:http2";
import path from "node:path";
import { createRequire } from "node:module";

const require = createRequire(path.join(process.env.SDK_HOME, "package.json"));
const restate = require("@restatedev/restate-sdk");
const version = fs.readFileSync(path.join(process.env.BED_DIR, "version"), "utf8");

const endpoint = restate.endpoint();
if (version === "unkeyed") {
  endpoint.bindRouter("versioned", {
    answers: async () => [version],
    extra: async () => version,
  });
} else {
  const methods = {
    // Which version answered before and after a sleep.
    answers: async (ctx, _key, ms) => {
      const before = await ctx.sideEffect(async () => version);
      await ctx.sleep(ms);
      return [before, version];
    },
  };
  if (version === "full") methods.extra = async () => version;
  endpoint.bindKeyedRouter("versioned", restate.keyedRouter(methods));
}

const server = http2.createServer(endpoint.http2Handler());
server.listen(Number(process.env.BED_PORT ?? 0), "127.0.0.1", 512, () => {
  console.log(JSON.stringify({ port: server.address().port }));
});
