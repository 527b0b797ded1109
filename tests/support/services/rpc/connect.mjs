// What the clients of Connect for node and for pages share: calls by generated services, over any transport.
import { create, fromJson, toJson } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import * as gen from "./gen/index.js";

export const services = new Map();
for (const found of Object.values(gen)) if (found.kind === "service") services.set(found.typeName, found);

export function callsOver(transport) {
  return async (service, method, message, { headers = {}, timeoutMs } = {}) => {
    const contract = services.get(service);
    const local = method[0].toLowerCase() + method.slice(1);
    const { input, output } = contract.method[local];
    let seen = {};
    const onHeader = (came) => (seen = Object.fromEntries(came));
    try {
      const request = Object.keys(message).length ? fromJson(input, message) : create(input);
      const reply = await createClient(contract, transport)[local](request, { headers, timeoutMs, onHeader });
      return { reply: toJson(output, reply), headers: seen };
    } catch (error) {
      const { code, rawMessage, metadata } = ConnectError.from(error, Code.Internal);
      return { code, message: rawMessage, headers: { ...seen, ...Object.fromEntries(metadata) } };
    }
  };
}
