// The test bed's services on the classic TypeScript SDK (0.8.1): routers, keyed routers and a workflow.
//
// Run by `tests.support.programs` with node. Settings come from the environment:
//
//   SDK_HOME   folder whose node_modules holds @restatedev/restate-sdk 0.8.1
//   BED_DIR    folder for what tests read back: awakeable ids, marks, logs
//   BED_PORT   port to listen on at 127.0.0.1; 0 picks one
//
// The program prints {"port": N} on one line once it listens.

import fs from "node:fs";
import http2 from "node:http2";
import path from "node:path";
import { createRequire } from "node:module";

const require = createRequire(path.join(process.env.SDK_HOME, "package.json"));
const restate = require("@restatedev/restate-sdk");

const BED = process.env.BED_DIR;

// How often a handler was entered, by a name the test chose: attempts, not durable.
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
const counterApi = { path: "counter" };
const stepsApi = { path: "steps" };
const treesApi = { path: "trees" };
const HOUR = 3_600_000;

// Tells the test an invocation's id, by which it can be cancelled, killed and looked for.
const announce = (ctx, name) => write(`${name}.id`, ctx.id.toString("hex"));

const greeter = restate.router({
  greet: async (_ctx, name) => `Hello ${name}`,
});

const steps = restate.router({
  // Two side effects; the counts show how often each was really executed.
  runTwice: async (ctx, name) => {
    const first = await ctx.sideEffect(async () => count(`${name}/r0`));
    const second = await ctx.sideEffect(async () => count(`${name}/r1`));
    return [first, second];
  },

  runFails: async (ctx, message) => {
    await ctx.sideEffect(async () => {
      throw new restate.TerminalError(message, { errorCode: restate.ErrorCodes.FAILED_PRECONDITION });
    });
    return "unreachable";
  },

  // A side effect that fails twice; the SDK itself journals each failure and sleeps in between.
  runRetried: async (ctx, name) =>
    ctx.sideEffect(
      async () => {
        if (count(name) <= 2) throw new Error(`flaky ${attempts.get(name)}`);
        return attempts.get(name);
      },
      { initialDelayMs: 20, maxDelayMs: 40 },
    ),

  // Answers how many attempts it took: 2 when the invocation suspended once.
  sleep: async (ctx, { name, ms }) => {
    count(name);
    write(`${name}.sleeping`, name);
    await ctx.sleep(ms);
    return attempts.get(name);
  },

  // Fails `failures` times after one durable step, then answers when each attempt began (epoch ms).
  flaky: async (ctx, { name, failures }) => {
    const times = attemptTimes.get(name) ?? [];
    attemptTimes.set(name, times);
    times.push(Date.now());
    const ran = await ctx.sideEffect(async () => count(`${name}/step`));
    if (ran !== 1) throw new restate.TerminalError(`the step ran ${ran} times`);
    if (times.length <= failures) throw new Error(`boom ${times.length}`);
    return times;
  },

  terminal: async (_ctx, { code, message }) => {
    throw new restate.TerminalError(message, { errorCode: code });
  },

  // The leaf has no `child`: the SDK fails on a null inside a result.
  tree: async (ctx, depth) =>
    depth > 1 ? { depth, child: await ctx.rpc(stepsApi).tree(depth - 1) } : { depth },

  treeFails: async (ctx, depth) => {
    if (depth <= 1) {
      throw new restate.TerminalError("the leaf failed", { errorCode: restate.ErrorCodes.ALREADY_EXISTS });
    }
    await ctx.rpc(stepsApi).treeFails(depth - 1);
  },

  // Announces an awakeable's id in a file, then waits for it.
  awaits: async (ctx, name) => {
    const { id, promise } = ctx.awakeable();
    await ctx.sideEffect(async () => write(`${name}.awakeable`, id));
    return promise;
  },

  resolves: async (ctx, { id, value }) => {
    ctx.resolveAwakeable(id, value);
  },

  rejects: async (ctx, { id, reason }) => {
    ctx.rejectAwakeable(id, reason);
  },

  // `count` background calls of counter/add, each by 1, after `delay_ms` if given.
  sends: async (ctx, { key, count: times, delay_ms: delay }) => {
    for (let i = 0; i < times; i++) {
      const client = delay ? ctx.sendDelayed(counterApi, delay) : ctx.send(counterApi);
      client.add(key, 1);
    }
    return times;
  },

  // Sleeps for an hour, `depth` calls down; leaves a mark at each level that saw the cancellation.
  stuck: async (ctx, { name, depth }) => {
    write(`${name}.stuck.${depth}`, name);
    try {
      if (depth > 1) await ctx.rpc(stepsApi).stuck({ name, depth: depth - 1 });
      else await ctx.sleep(3_600_000);
    } catch (error) {
      if (error instanceof restate.TerminalError) write(`${name}.cancelled.${depth}`, String(error.code));
      throw error;
    }
  },

  // An awakeable that nobody completes, given up after `ms`.
  timesOut: async (ctx, ms) => {
    try {
      await ctx.awakeable().promise.orTimeout(ms);
      return "completed";
    } catch (error) {
      if (error instanceof restate.TimeoutError) return "timed out";
      throw error;
    }
  },

  // One of each step; every execution of a side effect leaves a line. Adds 1 and 10 to the counter `name`.
  witnessed: async (ctx, { name, ms }) => {
    const effect = (step, value) =>
      ctx.sideEffect(async () => {
        append(`${name}.effects`, step);
        return value;
      });
    const first = await effect("first", 1);
    await ctx.sleep(ms);
    const total = await ctx.rpc(counterApi).add(name, first);
    ctx.send(counterApi).add(name, 10);
    const { id, promise } = ctx.awakeable();
    write(`${name}.awakeable`, await effect("announce", id));
    const answer = await promise;
    return { total: total % 10, answer, last: await effect("last", 100) };
  },

  // All the steps at once: the kill -9 test's workload. Adds exactly 4 to the counter `key`.
  // The first `failures` attempts fail after the sleep.
  flow: async (ctx, { key, name, ms, failures = 0 }) => {
    count(name);
    const stamp = await ctx.sideEffect(async () => Date.now());
    await ctx.sleep(ms);
    if (attempts.get(name) <= failures) throw new Error(`boom ${attempts.get(name)}`);
    await ctx.rpc(counterApi).add(key, 1);
    ctx.send(counterApi).add(key, 1);
    ctx.sendDelayed(counterApi, ms).add(key, 1);
    const { id, promise } = ctx.awakeable();
    await ctx.sideEffect(async () => append("flow.ids", id));
    const answer = await promise;
    await ctx.rpc(counterApi).slowAdd(key, { n: 1, ms });
    const child = await ctx.rpc(stepsApi).tree(2);
    return { name, stamped: stamp > 0, answer, depth: child.depth };
  },
});

const counter = restate.keyedRouter({
  add: async (ctx, _key, n) => {
    const total = ((await ctx.get("n")) ?? 0) + n;
    ctx.set("n", total);
    return total;
  },

  get: async (ctx, _key) => (await ctx.get("n")) ?? 0,

  // Read, sleep, write: two of these at one time would lose an increment.
  slowAdd: async (ctx, _key, { n, ms }) => {
    const before = (await ctx.get("n")) ?? 0;
    await ctx.sleep(ms);
    ctx.set("n", before + n);
    return before + n;
  },

  // Logs entry and exit of the critical section under this key.
  guarded: async (_ctx, key, { name, ms }) => {
    append(`guarded.${key}`, `enter ${name}`);
    await pause(ms);
    append(`guarded.${key}`, `exit ${name}`);
  },
});

// Call trees to cancel and kill. A `cancelled` mark has the code the handler saw.
const trees = restate.router({
  // Waits for an hour, `depth` calls down: for a sleep, an awakeable, or the key `name` of the counter.
  node: async (ctx, { name, depth, wait }) => {
    announce(ctx, `${name}.${depth}`);
    try {
      if (depth > 1) await ctx.rpc(treesApi).node({ name, depth: depth - 1, wait });
      else if (wait === "awakeable") await ctx.awakeable().promise;
      else if (wait === "key") await ctx.rpc(counterApi).slowAdd(name, { n: 1, ms: HOUR });
      else await ctx.sleep(HOUR);
    } catch (error) {
      if (error instanceof restate.TerminalError) write(`${name}.${depth}.cancelled`, String(error.code));
      throw error;
    }
  },

  // A parent of two branches that it waits for and of one that it does not.
  family: async (ctx, name) => {
    announce(ctx, name);
    const node = (side, depth) => ({ name: `${name}.${side}`, depth, wait: "sleep" });
    ctx.send(treesApi).node(node("sent", 1));
    const branches = ["left", "right"].map((side) => ctx.rpc(treesApi).node(node(side, 2)));
    // That of the SDK leaves the rejections of its parts unhandled, at which node ends.
    const ends = await Promise.allSettled(branches);
    return ends.map((end) => end.reason?.code ?? -1);
  },

  // Goes on with durable steps after its cancellation.
  cleansUp: async (ctx, name) => {
    announce(ctx, name);
    try {
      await ctx.sleep(HOUR);
    } catch (error) {
      await ctx.sideEffect(async () => append(`${name}.cleanup`, String(error.code)));
      await ctx.sleep(2000);
      return ctx.rpc(counterApi).add(name, 1);
    }
  },

  // Works without waiting for anything that could be cancelled, then waits for a moment.
  busy: async (ctx, { name, ms }) => {
    announce(ctx, name);
    await pause(ms);
    await ctx.sleep(10);
    return "done";
  },
});

const store = restate.keyedRouter({
  set: async (ctx, _key, { name, value }) => ctx.set(name, value),
  get: async (ctx, _key, name) => ctx.get(name),
  clear: async (ctx, _key, name) => ctx.clear(name),
  clearAll: async (ctx, _key) => ctx.clearAll(),
  keys: async (ctx, _key) => (await ctx.stateKeys()).sort(),
});

// Takes an applicant in once somebody has decided so.
const admission = restate.workflow.workflow("admission", {
  run: async (ctx, { name, fails }) => {
    ctx.set("applicant", name);
    await ctx.sideEffect(async () => append(`${name}.runs`, ctx.workflowId()));
    const decision = await ctx.promise("decision");
    ctx.set("applicant", `${name}, ${decision}`);
    await ctx.sleep(10);
    if (fails) throw new restate.TerminalError(`${name} cannot be taken in`);
    return { name, decision };
  },

  applicant: async (ctx) => ctx.get("applicant"),

  decide: async (ctx, { decision }) => ctx.promise("decision").resolve(decision),

  refuse: async (ctx, { reason }) => ctx.promise("decision").reject(reason),

  // Only once it is decided: before that, the SDK's `peek` fails on its own null.
  peek: async (ctx) => ctx.promise("decision").peek(),

  awaitDecision: async (ctx) => ctx.promise("decision"),
});

const endpoint = restate
  .endpoint()
  .bindRouter("greeter", greeter)
  .bindRouter("steps", steps)
  .bindRouter("trees", trees)
  .bindKeyedRouter("counter", counter)
  .bindKeyedRouter("store", store)
  .bind(admission);
const server = http2.createServer(endpoint.http2Handler());
server.listen(Number(process.env.BED_PORT ?? 0), "127.0.0.1", 512, () => {
  console.log(JSON.stringify({ port: server.address().port }));
});
