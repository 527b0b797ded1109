// The test bed's services on the TypeScript SDK (1.x); `modern.py` offers the same ones on Python.
//
// Run by `tests.support.programs` with node. Settings come from the environment:
//
//   SDK_HOME       folder whose node_modules holds @restatedev/restate-sdk
//   BED_DIR        folder for what tests read back: awakeable ids, marks, logs
//   BED_PORT       port to listen on at 127.0.0.1; 0 picks one
//   BED_PROTOCOL   bidi (default) or request_response
//
// The program prints {"port": N} on one line once it listens.

import fs from "node:fs";
import http2 from "node:http2";
import path from "node:path";
import { createRequire } from "node:module";

// The SDK wants this function of Node 22; Node 20 is what long-lived machines have.
Promise.withResolvers ??= function withResolvers() {
  let resolve, reject;
  const promise = new Promise((...settle) => ([resolve, reject] = settle));
  return { promise, resolve, reject };
};

const require = createRequire(path.join(process.env.SDK_HOME, "package.json"));
const restate = require("@restatedev/restate-sdk");

const BED = process.env.BED_DIR;

// How often a handler was entered, by a name the test chose. Kept in memory on purpose: it counts
// attempts, which durable state cannot.
const attempts = new Map();
const attemptTimes = new Map();

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

function append(name, line) {
  fs.appendFileSync(path.join(BED, name), `${line}\n`);
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const Counter = { name: "Counter" };
const Steps = { name: "Steps" };

const greeter = restate.service({
  name: "Greeter",
  handlers: {
    greet: async (_ctx, name) => `Hello ${name}`,
  },
});

const steps = restate.service({
  name: "Steps",
  handlers: {
    // Two runs; the counts show how often each was really executed.
    runTwice: async (ctx, name) => {
      const first = await ctx.run("r0", () => count(`${name}/r0`));
      const second = await ctx.run("r1", () => count(`${name}/r1`));
      return [first, second];
    },

    runFails: async (ctx, message) => {
      await ctx.run("bad", () => {
        throw new restate.TerminalError(message, { errorCode: 422 });
      });
      return "unreachable";
    },

    // Answers how many attempts it took: 2 when the invocation suspended once.
    sleep: async (ctx, { name, ms }) => {
      count(name);
      write(`${name}.sleeping`, ctx.request().id);
      await ctx.sleep(ms);
      return attempts.get(name);
    },

    longRun: async (ctx, { ms }) =>
      ctx.run("work", async () => {
        await pause(ms);
        return "worked";
      }),

    // Fails `failures` times after one durable step, then answers when each attempt began (epoch ms).
    flaky: async (ctx, { name, failures }) => {
      const times = attemptTimes.get(name) ?? [];
      attemptTimes.set(name, times);
      times.push(Date.now());
      const ran = await ctx.run("step", () => count(`${name}/step`));
      if (ran !== 1) throw new restate.TerminalError(`the step ran ${ran} times`);
      if (times.length <= failures) throw new Error(`boom ${times.length}`);
      return times;
    },

    // Fails for ever where the bed has no file `${name}.allowed`; else answers where it ran. One step comes before.
    allowed: async (ctx, name) => {
      await ctx.run("step", () => count(`${name}/step`));
      write(`${name}.tried`, "");
      if (!fs.existsSync(path.join(BED, `${name}.allowed`))) throw new Error("not allowed here");
      return path.basename(BED);
    },

    terminal: async (_ctx, { code, message }) => {
      throw new restate.TerminalError(message, { errorCode: code });
    },

    tree: async (ctx, depth) => {
      const child = depth > 1 ? await ctx.serviceClient(Steps).tree(depth - 1) : null;
      return { depth, child };
    },

    treeFails: async (ctx, depth) => {
      if (depth <= 1) throw new restate.TerminalError("the leaf failed", { errorCode: 418 });
      await ctx.serviceClient(Steps).treeFails(depth - 1);
    },

    // Announces an awakeable's id in a file, then waits for it.
    awaits: async (ctx, name) => {
      const { id, promise } = ctx.awakeable();
      await ctx.run("announce", () => write(`${name}.awakeable`, id));
      return promise;
    },

    // Like `awaits`, without a step: the id is announced at each attempt.
    waits: async (ctx, _name) => {
      const { id, promise } = ctx.awakeable();
      append("waits.ids", id);
      return promise;
    },

    resolves: async (ctx, { id, value }) => {
      ctx.resolveAwakeable(id, value);
    },

    rejects: async (ctx, { id, reason }) => {
      ctx.rejectAwakeable(id, reason);
    },

    // `count` one-way calls of Counter/add, each by 1, after `delay_ms` if given.
    sends: async (ctx, { key, count: times, delay_ms: delay }) => {
      const options = restate.rpc.sendOpts(delay ? { delay } : {});
      for (let i = 0; i < times; i++) ctx.objectSendClient(Counter, key).add(1, options);
      return times;
    },

    // Sleeps for an hour, `depth` calls down; leaves a mark at each level that saw the cancellation.
    stuck: async (ctx, { name, depth }) => {
      write(`${name}.stuck.${depth}`, ctx.request().id);
      try {
        if (depth > 1) await ctx.serviceClient(Steps).stuck({ name, depth: depth - 1 });
        else await ctx.sleep(3_600_000);
      } catch (error) {
        if (error instanceof restate.TerminalError) write(`${name}.cancelled.${depth}`, String(error.code));
        throw error;
      }
    },

    // One of each step; every execution of a run leaves a line. Adds 1 and 10 to the counter `name`.
    witnessed: async (ctx, { name, ms }) => {
      const effect = (step, value) =>
        ctx.run(step, () => {
          append(`${name}.effects`, step);
          return value;
        });
      const first = await effect("first", 1);
      await ctx.sleep(ms);
      const total = await ctx.objectClient(Counter, name).add(first);
      ctx.objectSendClient(Counter, name).add(10);
      const { id, promise } = ctx.awakeable();
      write(`${name}.awakeable`, await effect("announce", id));
      const answer = await promise;
      return { total: total % 10, answer, last: await effect("last", 100) };
    },

    // All the steps at once: the kill -9 test's workload. Adds exactly 4 to the counter `key`.
    // The first `failures` attempts fail after the sleep.
    flow: async (ctx, { key, name, ms, failures = 0 }) => {
      count(name);
      const stamp = await ctx.run("stamp", () => Date.now());
      await ctx.sleep(ms);
      if (attempts.get(name) <= failures) throw new Error(`boom ${attempts.get(name)}`);
      await ctx.objectClient(Counter, key).add(1);
      ctx.objectSendClient(Counter, key).add(1);
      ctx.objectSendClient(Counter, key).add(1, restate.rpc.sendOpts({ delay: ms }));
      const { id, promise } = ctx.awakeable();
      await ctx.run("announce", () => append("flow.ids", id));
      const answer = await promise;
      await ctx.objectClient(Counter, key).slowAdd({ n: 1, ms });
      const child = await ctx.serviceClient(Steps).tree(2);
      return { name, stamped: stamp > 0, answer, depth: child.depth };
    },
  },
});

const counter = restate.object({
  name: "Counter",
  handlers: {
    add: async (ctx, n) => {
      const total = ((await ctx.get("n")) ?? 0) + n;
      ctx.set("n", total);
      return total;
    },

    // Read, sleep, write: two of these at one time would lose an increment.
    slowAdd: async (ctx, { n, ms }) => {
      const before = (await ctx.get("n")) ?? 0;
      await ctx.sleep(ms);
      ctx.set("n", before + n);
      return before + n;
    },

    // Logs entry and exit of the critical section under this key.
    guarded: async (ctx, { name, ms }) => {
      append(`guarded.${ctx.key}`, `enter ${name}`);
      await pause(ms);
      append(`guarded.${ctx.key}`, `exit ${name}`);
    },

    failsAfterSet: async (ctx, n) => {
      ctx.set("n", n);
      throw new restate.TerminalError("set, then failed", { errorCode: 409 });
    },

    get: restate.handlers.object.shared(async (ctx) => (await ctx.get("n")) ?? 0),
  },
});

// An object that offers each state operation as a handler, with state sent eagerly or read lazily.
const stateObject = (name, enableLazyState) =>
  restate.object({
    name,
    options: { enableLazyState },
    handlers: {
      set: async (ctx, { name: key, value }) => ctx.set(key, value),
      get: async (ctx, key) => ctx.get(key),
      clear: async (ctx, key) => ctx.clear(key),
      clearAll: async (ctx) => ctx.clearAll(),
      keys: async (ctx) => (await ctx.stateKeys()).sort(),

      // All operations in one run, reading its own writes.
      mixed: async (ctx) => {
        const before = await ctx.get("a");
        ctx.set("a", 1);
        ctx.set("b", 2);
        const after = await ctx.get("a");
        const both = (await ctx.stateKeys()).sort();
        ctx.clear("a");
        const cleared = await ctx.get("a");
        ctx.clearAll();
        const none = await ctx.stateKeys();
        return [before, after, both, cleared, none];
      },
    },
  });

const signup = restate.workflow({
  name: "Signup",
  handlers: {
    run: async (ctx, name) => `${name} ${await ctx.promise("approval")}`,
    approve: async (ctx, verdict) => {
      await ctx.promise("approval").resolve(verdict);
    },
  },
});

const handler = restate.createEndpointHandler({
  services: [greeter, steps, counter, stateObject("Store", false), stateObject("LazyStore", true), signup],
  bidirectional: process.env.BED_PROTOCOL !== "request_response",
});
const server = http2.createServer(handler);
server.listen(Number(process.env.BED_PORT ?? 0), "127.0.0.1", 512, () => {
  console.log(JSON.stringify({ port: server.address().port }));
});
