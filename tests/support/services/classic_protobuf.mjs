// Protobuf services on the classic TypeScript SDK (0.8.1), bound as its users bind generated code.
//
// Run by `tests.support.programs` with node. Settings come from the environment as for classic.mjs; SDK_HOME also
// holds `shop.cjs`, generated from classic_protobuf/shop.proto by `tests.support.environments`.

import fs from "node:fs";
import http2 from "node:http2";
import path from "node:path";
import { createRequire } from "node:module";

const require = createRequire(path.join(process.env.SDK_HOME, "package.json"));
const restate = require("@restatedev/restate-sdk");
const shop = require("./shop.cjs");

const BED = process.env.BED_DIR;
const counts = new Map();

function count(name) {
  counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts.get(name);
}

// Written in one step, so that a polling test never reads half of it.
function write(name, text) {
  const draft = path.join(BED, `.${name}.${process.pid}`);
  fs.writeFileSync(draft, text);
  fs.renameSync(draft, path.join(BED, name));
}

const mirror = {
  async reflect(everything) {
    return everything;
  },
  async nothing() {
    return {};
  },
};

class Carts {
  async add({ customerId, item, count: added, sleepMs }) {
    const ctx = restate.useKeyedContext(this);
    const items = (await ctx.get("items")) ?? {};
    if (sleepMs) await ctx.sleep(sleepMs);
    items[item] = String(BigInt(items[item] ?? 0) + BigInt(added));
    ctx.set("items", items);
    return shop.Cart.create({ customer: customerId, items });
  }

  async view({ customer }) {
    const items = (await restate.useKeyedContext(this).get("items")) ?? {};
    return shop.Cart.create({ customer, items });
  }

  async empty() {
    restate.useKeyedContext(this).clear("items");
    return {};
  }
}

class Invoices {
  async next({ sleepMs }) {
    const ctx = restate.useKeyedContext(this);
    const number = ((await ctx.get("last")) ?? 0) + 1;
    if (sleepMs) await ctx.sleep(sleepMs);
    ctx.set("last", number);
    return { number };
  }
}

class Desk {
  // Two of the item are in the cart at once, a third one soon, a fourth one after the delay.
  async order({ customer: customerId, item, delayMs }) {
    const ctx = restate.useContext(this);
    const carts = new shop.CartsClientImpl(ctx.grpcChannel());
    const one = shop.AddRequest.create({ customerId, item, count: "1" });
    await carts.Add(one);
    const now = await carts.Add(one);
    const { number } = await new shop.InvoicesClientImpl(ctx.grpcChannel()).Next({ sleepMs: 0 });
    await ctx.oneWayCall(() => carts.Add(one));
    await ctx.delayedCall(() => carts.Add(one), delayMs);
    return { now, invoice: number };
  }

  async refuse({ code, message, depth }) {
    if (!depth) throw new restate.TerminalError(message, { errorCode: code });
    const desk = new shop.DeskClientImpl(restate.useContext(this).grpcChannel());
    return desk.Refuse({ code, message, depth: depth - 1 });
  }

  async wait({ name }) {
    const ctx = restate.useContext(this);
    const { id, promise } = ctx.awakeable();
    await ctx.sideEffect(async () => write(`${name}.awakeable`, id));
    return { value: await promise };
  }

  async decide({ id, value, rejection }) {
    const ctx = restate.useContext(this);
    if (rejection) ctx.rejectAwakeable(id, rejection);
    else ctx.resolveAwakeable(id, value);
    return {};
  }

  async steps({ name, sleepMs }) {
    const ctx = restate.useContext(this);
    count(`${name}/attempts`);
    await ctx.sideEffect(async () => count(`${name}/effects`));
    await ctx.sleep(sleepMs);
    await ctx.sideEffect(async () => count(`${name}/effects`));
    return { attempts: counts.get(`${name}/attempts`), effects: counts.get(`${name}/effects`) };
  }
}

const endpoint = restate.endpoint();
const instances = { Mirror: mirror, Carts: new Carts(), Invoices: new Invoices(), Desk: new Desk() };
for (const [service, instance] of Object.entries(instances)) {
  endpoint.bindService({ descriptor: shop.protoMetadata, service, instance });
}
const server = http2.createServer(endpoint.http2Handler());
server.listen(Number(process.env.BED_PORT ?? 0), "127.0.0.1", 512, () => {
  console.log(JSON.stringify({ port: server.address().port }));
});
