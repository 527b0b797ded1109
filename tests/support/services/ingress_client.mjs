// The TypeScript SDK's client of the ingress. Usage: ingress_client.mjs <ingress URL> <folder of the services' bed>
// Run with SDK_HOME pointing to the folder of node_modules. Prints one JSON object.
import fs from "node:fs";
import path from "node:path";
import { createRequire } from "node:module";

const require = createRequire(path.join(process.env.SDK_HOME, "package.json"));
const clients = require("@restatedev/restate-sdk-clients");

const [url, bed] = process.argv.slice(2);
const ingress = clients.connect({ url });
const { opts, sendOpts } = clients.rpc;
const service = (name) => ({ name });

async function failure(promise) {
  try {
    return { result: await promise };
  } catch (error) {
    return { status: error.status, text: error.responseText ?? String(error) };
  }
}

async function written(name) {
  while (!fs.existsSync(path.join(bed, name))) await new Promise((resolve) => setTimeout(resolve, 20));
  return fs.readFileSync(path.join(bed, name), "utf8");
}

const counter = ingress.objectClient(service("Counter"), "ts /é");
const counterSends = ingress.objectSendClient(service("Counter"), "ts /é");
const signup = ingress.workflowClient(service("Signup"), "ts é");
const report = {
  greeting: await ingress.serviceClient(service("Greeter")).greet("Bob ☺"),
  counted: [await counter.add(2), await counter.add(3)],
  once: [await counter.add(10, opts({ idempotencyKey: "ts" })), await counter.add(10, opts({ idempotencyKey: "ts" }))],
  generic: await ingress.call({ service: "Greeter", handler: "greet", parameter: "Ann", opts: opts({}) }),
  refused: await failure(ingress.serviceClient(service("Steps")).terminal({ message: "no ☺", code: 418 })),
  unknown: await failure(ingress.serviceClient(service("Nope")).greet("x")),
  late: await failure(counter.slowAdd({ n: 0, ms: 3000 }, opts({ timeout: 200 }))),
};

const sent = await ingress
  .objectSendClient(service("Counter"), "ts-sent")
  .add(7, sendOpts({ idempotencyKey: "ts-sent", delay: 300 }));
report.sent = { status: sent.status, result: await ingress.result(sent) };
const again = await counterSends.add(1, sendOpts({ idempotencyKey: "ts" }));
report.again = again.status;

const submitted = await signup.workflowSubmit("Eve");
report.workflow = {
  submitted: submitted.status,
  again: (await signup.workflowSubmit("Eve")).status,
  early: (await signup.workflowOutput()).ready,
};
await signup.approve("welcome");
report.workflow.attached = await signup.workflowAttach();
report.workflow.output = (await signup.workflowOutput()).result;
report.workflow.result = await ingress.result(submitted);

const steps = ingress.serviceSendClient(service("Steps"));
const resolved = await steps.awaits("ts-resolved", sendOpts({ idempotencyKey: "ts-resolved" }));
await ingress.resolveAwakeable(await written("ts-resolved.awakeable"), { yes: ["☺"] });
const rejected = await steps.awaits("ts-rejected", sendOpts({ idempotencyKey: "ts-rejected" }));
await ingress.rejectAwakeable(await written("ts-rejected.awakeable"), "never");
report.awakeables = [await ingress.result(resolved), await failure(ingress.result(rejected))];
report.notAnId = await failure(ingress.resolveAwakeable("prom_1x", 1));
report.scoped = await failure(ingress.scope("s").serviceClient(service("Greeter")).greet("x"));
console.log(JSON.stringify(report));
