// Services that run on every TypeScript SDK of interest, old and new; `versions.py` offers the same ones on Python.
//
// Started like `modern.mjs`, which describes the settings.

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

const BED = process.env.BED_DIR;
const attempts = new Map();

function count(name) {
  attempts.set(name, (attempts.get(name) ?? 0) + 1);
  return attempts.get(name);
}

// Written in one step, so that a polling test never reads half of it.
function write(name, text) {
  const draft = path.join(BED, `.${name}.${process.pid}`);
  fs.writeFileSync(draft, text);
  fs.renameSync(draft, path.join(BED, name));
}

const Echo = { name: "Echo" };

const echo = restate.service({
  name: "Echo",
  handlers: { echo: async (_ctx, value) => value },
});

const flow = restate.object({
  name: "Flow",
  handlers: {
    // Run, state, sleep, call, awakeable; the counts show what was executed again.
    go: async (ctx, sleepMs) => {
      const ran = await ctx.run("ran", () => count(`${ctx.key}/ran`));
      const n = ((await ctx.get("n")) ?? 0) + 1;
      ctx.set("n", n);
      await ctx.sleep(sleepMs);
      const echoed = await ctx.serviceClient(Echo).echo(`echo ${ctx.key}`);
      const { id, promise } = ctx.awakeable();
      await ctx.run("announce", () => write(`${ctx.key}.awakeable`, id));
      return { ran, n, echoed, answer: await promise };
    },
  },
});

const trees = restate.service({
  name: "Trees",
  handlers: {
    // Wait for all of the sleeps; how many attempts that took.
    all: async (ctx, sleepsMs) => {
      const name = ctx.request().id.toString();
      count(name);
      await restate.RestatePromise.all(sleepsMs.map((ms) => ctx.sleep(ms)));
      return attempts.get(name);
    },

    // An awakeable against a sleep: which one won.
    race: async (ctx, sleepMs) => {
      const { id, promise } = ctx.awakeable();
      await ctx.run("announce", () => write("race.awakeable", id));
      return restate.RestatePromise.race([promise.map(() => "answer"), ctx.sleep(sleepMs).map(() => "timeout")]);
    },

    // Ask for a delay of its own until the last try; how many attempts that took.
    slowDown: async (_ctx, { name, tries: wanted, delay_ms: delay }) => {
      const tries = count(name);
      if (tries < wanted) throw new restate.RetryableError("slow down", { errorCode: 429, retryAfter: delay });
      return tries;
    },

    fails: async (_ctx) => {
      throw new restate.TerminalError("with details", { errorCode: 418, metadata: { reason: "teapot" } });
    },
  },
});

const endpoint = restate.endpoint().bind(echo).bind(flow).bind(trees);
const server = http2.createServer(endpoint.http2Handler());
server.listen(Number(process.env.BED_PORT ?? 0), "127.0.0.1", 512, () => {
  console.log(JSON.stringify({ port: server.address().port }));
});
