// Services on the TypeScript SDK whose handlers do the steps of their request; `differential.py` does the same on
// Python and describes the requests. Started like `modern.mjs`, which describes the settings.

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

// Counts attempts, which durable state cannot.
const attempts = new Map();
const firstSeen = new Map();

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

// `@name` is what has been written under this name.
const fromFile = (text) => (text.startsWith("@") ? fs.readFileSync(path.join(BED, text.slice(1)), "utf8") : text);
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function written(name) {
  while (!fs.existsSync(path.join(BED, name))) await wait(10);
}

// Begins the step; the SDK's promise of its result.
const FUTURES = {
  run: ({ ctx }, name, value) => ctx.run(name, () => value),
  runFails: ({ ctx }, name, errorCode, message) =>
    ctx.run(name, () => {
      throw new restate.TerminalError(message, { errorCode });
    }),
  // Fails so many times, then gives its number; given up after `most` attempts.
  runFlaky: ({ ctx, id }, name, failures, most) =>
    ctx.run(
      name,
      () => {
        const number = count(`${id}/${name}`);
        if (number <= failures) throw new Error("not yet");
        return number;
      },
      { ...(most ? { maxRetryAttempts: most } : {}), initialRetryInterval: 10 },
    ),
  runSlow: ({ ctx }, name, ms) =>
    ctx.run(name, async () => {
      await wait(ms);
      return "worked";
    }),
  // Works until the test has written this file.
  runUntil: ({ ctx }, name, file) =>
    ctx.run(name, async () => {
      await written(file);
      return "worked";
    }),
  sleep: ({ ctx }, ms) => ctx.sleep(ms),
  call: ({ ctx }, service, method, key, parameter, { idempotency, headers } = {}) =>
    ctx.genericCall({
      service,
      method,
      parameter,
      ...(key === null ? {} : { key }),
      ...(idempotency ? { idempotencyKey: idempotency } : {}),
      ...(headers ? { headers } : {}),
      inputSerde: restate.serde.json,
      outputSerde: restate.serde.json,
    }),
  // Its id is written under this name at each attempt.
  awakeable: ({ ctx }, name) => {
    const { id, promise } = ctx.awakeable();
    write(name, id);
    return promise;
  },
  promise: ({ ctx }, name) => ctx.promise(name).get(),
  signal: ({ ctx }, name) => ctx.signal(name),
  attach: ({ ctx }, target) => ctx.attach(fromFile(target)),
};

const STEPS = {
  begin: ({ begun, ...player }, name, [operation, ...rest]) => {
    begun[name] = FUTURES[operation](player, ...rest);
  },
  await: ({ begun }, name) => begun[name],
  race: ({ begun }, ...names) =>
    restate.RestatePromise.race(names.map((name) => begun[name].map((_value, failure) => {
      if (failure) throw failure;
      return name;
    }))),
  all: ({ begun }, ...names) => restate.RestatePromise.all(names.map((name) => begun[name])),
  send: async ({ ctx }, service, method, key, parameter, { delay, idempotency, headers, id_to } = {}) => {
    const handle = ctx.genericSend({
      service,
      method,
      parameter,
      ...(key === null ? {} : { key }),
      ...(delay ? { delay } : {}),
      ...(idempotency ? { idempotencyKey: idempotency } : {}),
      ...(headers ? { headers } : {}),
      inputSerde: restate.serde.json,
    });
    if (id_to) write(id_to, await handle.invocationId);
  },
  // Writes the id of the invocation that a begun call has started.
  callee: async ({ begun }, name, file) => write(file, await begun[name].invocationId),
  cancel: ({ ctx }, target) => ctx.cancel(fromFile(target)),
  resolve: ({ ctx }, id, value) => ctx.resolveAwakeable(fromFile(id), value),
  reject: ({ ctx }, id, reason) => ctx.rejectAwakeable(fromFile(id), reason),
  resolveSignal: ({ ctx }, target, name, value) => ctx.invocation(fromFile(target)).signal(name).resolve(value),
  rejectSignal: ({ ctx }, target, name, reason) => ctx.invocation(fromFile(target)).signal(name).reject(reason),
  get: ({ ctx }, name) => ctx.get(name),
  set: ({ ctx }, name, value) => ctx.set(name, value),
  clear: ({ ctx }, name) => ctx.clear(name),
  clearAll: ({ ctx }) => ctx.clearAll(),
  keys: async ({ ctx }) => (await ctx.stateKeys()).sort(),
  peek: ({ ctx }, name) => ctx.promise(name).peek(),
  fulfil: ({ ctx }, name, value) => ctx.promise(name).resolve(value),
  refuse: ({ ctx }, name, reason) => ctx.promise(name).reject(reason),
  // The step's result, or the terminal error it ends with.
  try: async (player, step) => {
    try {
      return await perform(player, step);
    } catch (error) {
      if (!(error instanceof restate.TerminalError)) throw error;
      return { code: error.code, message: error.message };
    }
  },
  fail: (_player, errorCode, message) => {
    throw new restate.TerminalError(message, { errorCode });
  },
  failWith: (_player, errorCode, message, metadata) => {
    throw new restate.TerminalError(message, { errorCode, metadata });
  },
  // An error that is retried, at so many attempts.
  boom: ({ id }, times) => {
    if (count(id) <= times) throw new Error("boom");
  },
  mark: ({ id }, name) => write(name, id),
  // An error that is retried, until the test has written this file.
  boomUntil: (_player, file) => {
    if (!fs.existsSync(path.join(BED, file))) throw new Error("boom");
  },
  // A wait that the server does not know of, until the test has written this file.
  until: (_player, file) => written(file),
  header: ({ ctx }, name) => ctx.request().headers.get(name),
  key: ({ ctx }) => ctx.key,
  value: (_player, value) => value,
  text: (_player, length) => "x".repeat(length),
  // Whether two attempts see the same random numbers; suspends in between.
  random: async ({ ctx, id }) => {
    const seen = ctx.rand.random();
    if (!firstSeen.has(id)) firstSeen.set(id, seen);
    await ctx.sleep(1200);
    return firstSeen.get(id) === seen;
  },
};

const perform = (player, [operation, ...rest]) => (FUTURES[operation] ?? STEPS[operation])(player, ...rest);

async function play(ctx, script) {
  const player = { ctx, id: ctx.request().id, begun: {} };
  const results = [];
  for (const step of script) results.push((await perform(player, step)) ?? null);
  return results;
}

const policy = (maxAttempts, onMaxAttempts) => ({
  retryPolicy: { initialInterval: 20, maxAttempts, onMaxAttempts },
});

const service = (name, options = {}) =>
  restate.service({
    name,
    options,
    handlers: {
      play,
      raw: restate.handlers.handler(
        { accept: "*/*", input: restate.serde.binary, output: restate.serde.binary },
        async (_ctx, body) => body,
      ),
    },
  });

const object = (name, options = {}) =>
  restate.object({ name, options, handlers: { play, look: restate.handlers.object.shared(play) } });

const flow = restate.workflow({ name: "Flow", handlers: { run: play, look: play } });

const handler = restate.createEndpointHandler({
  services: [
    service("Plain"),
    service("Pausing", policy(2, "pause")),
    service("Killing", policy(2, "kill")),
    service("Forgetful", { journalRetention: 0 }),
    object("Object"),
    object("Lazy", { enableLazyState: true }),
    object("PausingObject", policy(2, "pause")),
    flow,
  ],
  bidirectional: process.env.BED_PROTOCOL !== "request_response",
});
const server = http2.createServer(handler);
server.listen(Number(process.env.BED_PORT ?? 0), "127.0.0.1", 512, () => {
  console.log(JSON.stringify({ port: server.address().port }));
});
