// Services that let nobody in without a signature, and that can be served over TLS; on the TypeScript SDK (1.x).
//
// Run by `tests.support.programs` as `modern.mjs` is. In BED_DIR it looks for:
//
//   identity.txt   the public key (publickeyv1_...) of the server that may call; without it anybody may
//   service.pem    certificate and private key; without it there is no TLS

import fs from "node:fs";
import http2 from "node:http2";
import path from "node:path";
import { createRequire } from "node:module";

Promise.withResolvers ??= function withResolvers() {
  let resolve, reject;
  const promise = new Promise((...settle) => ([resolve, reject] = settle));
  return { promise, resolve, reject };
};

const require = createRequire(path.join(process.env.SDK_HOME, "package.json"));
const restate = require("@restatedev/restate-sdk");

function read(name) {
  const file = path.join(process.env.BED_DIR, name);
  return fs.existsSync(file) ? fs.readFileSync(file, "utf8") : undefined;
}

const greeter = restate.service({
  name: "Greeter",
  handlers: { greet: async (ctx, name) => ctx.run("greet", () => `Hello ${name}`) },
});

const counter = restate.object({
  name: "Counter",
  handlers: {
    add: async (ctx, n) => {
      const total = ((await ctx.get("n")) ?? 0) + n;
      ctx.set("n", total);
      return total;
    },
  },
});

const identity = read("identity.txt");
const handler = restate.createEndpointHandler({
  services: [greeter, counter],
  identityKeys: identity === undefined ? undefined : [identity],
});
const pem = read("service.pem");
const server =
  pem === undefined ? http2.createServer(handler) : http2.createSecureServer({ key: pem, cert: pem }, handler);
server.listen(Number(process.env.BED_PORT ?? 0), "127.0.0.1", () => {
  console.log(JSON.stringify({ port: server.address().port }));
});
