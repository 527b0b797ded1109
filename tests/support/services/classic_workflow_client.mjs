// The workflow client of the classic TypeScript SDK (0.8.1) on the workflow `admission` of classic.mjs.
//
// Arguments: SDK_HOME, the ingress's address, a name. Prints one line of JSON: what each call answered.

import path from "node:path";
import { createRequire } from "node:module";

const [home, ingress, name] = process.argv.slice(2);
const { clients } = createRequire(path.join(home, "package.json"))("@restatedev/restate-sdk");
// The client notes each of its calls on the console.
console.debug = () => {};

const connection = clients.connect(ingress);
const unknown = await connection.connectToWorkflow("admission", `${name}-unknown`).catch((error) => error.message);
const first = await connection.submitWorkflow("admission", name, { name });
const second = await connection.submitWorkflow("admission", name, { name });
const running = await connection.connectToWorkflow("admission", name);
await running.client.workflowInterface().decide({ decision: "yes" });
const result = await running.client.result();
const status = await running.client.status();
console.log(JSON.stringify([unknown, first.status, second.status, running.status, result, status]));
