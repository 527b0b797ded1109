// gRPC's own client for node, with contracts loaded at run time. Usage: grpc_js.mjs <host:port> <descriptor set>
import fs from "node:fs";
import grpc from "@grpc/grpc-js";
import loader from "@grpc/proto-loader";
import { report } from "./calls.mjs";

const [address, contracts] = process.argv.slice(2);
const definition = loader.loadFileDescriptorSetFromBuffer(fs.readFileSync(contracts), { oneofs: true });
const root = grpc.loadPackageDefinition(definition);
const clients = new Map();

// This loader knows no JSON form of google.protobuf.Value, leaves the names of descriptor sets as they
// are, and takes a map for the list of entries that it is on the wire.
function toValue(value) {
  if (value === null) return { null_value: 0 };
  if (Array.isArray(value)) return { list_value: { values: value.map(toValue) } };
  if (typeof value === "object") return { struct_value: toStruct(value) };
  return { [{ string: "string_value", number: "number_value", boolean: "bool_value" }[typeof value]]: value };
}

const toStruct = (object) => ({
  fields: Object.entries(object).map(([key, value]) => ({ key, value: toValue(value) })),
});

function fromValue(value) {
  if (value.kind === "list_value") return value.list_value.values.map(fromValue);
  if (value.kind === "null_value") return null;
  return value[value.kind];
}

function clientOf(service) {
  if (!clients.has(service)) {
    const Client = service.split(".").reduce((found, name) => found[name], root);
    clients.set(service, new Client(address, grpc.credentials.createInsecure()));
  }
  return clients.get(service);
}

const toSnake = (name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

function call(service, method, { request, argument, ...rest }, { headers = {}, timeoutMs } = {}) {
  const fields = Object.fromEntries(Object.entries(rest).map(([name, value]) => [toSnake(name), value]));
  if (request !== undefined) fields.request = toValue(request);
  if (argument !== undefined) fields.json = toStruct(argument);
  const metadata = new grpc.Metadata();
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
  const options = timeoutMs === undefined ? {} : { deadline: Date.now() + timeoutMs };
  return new Promise((resolve) => {
    let initial = {};
    const ended = (error, reply) => {
      if (error) resolve({ code: error.code, message: error.details, headers: { ...initial, ...error.metadata?.getMap() } });
      else resolve({ reply: reply.response ? { response: fromValue(reply.response) } : reply, headers: initial });
    };
    clientOf(service)[method](fields, metadata, options, ended).on("metadata", (came) => (initial = came.getMap()));
  });
}

console.log(JSON.stringify(await report(call, "grpc-js")));
for (const client of clients.values()) client.close();
