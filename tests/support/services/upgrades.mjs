// A service in several versions on the TypeScript SDK; `upgrades.py` offers the same ones on Python.
//
// Started like `modern.mjs`, which describes the settings. The file `version` in BED_DIR names the version.

import fs from "node:fs";
import http2 from "node:http2";
import path from "node:path";
import { createRequire } from "node:module";

// Today's SDK wants this function of Node 22; Node 20 is what long-lived machines have.
Promise.withResolvers ??= function withResolvers() {
  let resolve, reject;
  const promise = new Promise((...settle) => ([resolve, reject] = settle));
  return { promise, resolve, reject };
};

const require = createRequire(path.join(process.env.SDK_HOME, "package.json"));
const restate = require("@restatedev/restate-sdk");
const version = fs.readFileSync(path.join(process.env.BED_DIR, "version"), "utf8");

const versioned = restate.object({
  name: "versioned",
  handlers: {
    // Which version answered before and after a sleep.
    answers: async (ctx, sleepMs) => {
      const before = await ctx.run("version", () => version);
      await ctx.sleep(sleepMs);
      return [before, version];
    },
  },
});

const server = http2.createServer(restate.endpoint().bind(versioned).http2Handler());
server.listen(Number(process.env.BED_PORT ?? 0), "127.0.0.1", 512, () => {
  console.log(JSON.stringify({ port: server.address().port }));
});
