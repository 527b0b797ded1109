// What runs in the browser: gRPC-Web's own client in both of its forms, Connect's clients for pages, and plain fetch.
import { create, fromBinary, fromJson, toBinary, toJson } from "@bufbuild/protobuf";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";
import grpcWeb from "grpc-web";
import { report } from "./calls.mjs";
import { callsOver, services } from "./connect.mjs";

// As the code that protoc-gen-grpc-web generates calls it; the messages are those of protobuf-es.
function callsByGrpcWeb(baseUrl, format) {
  const client = new grpcWeb.GrpcWebClientBase({ format });
  return (service, method, message, { headers = {}, timeoutMs } = {}) => {
    const { input, output } = services.get(service).methods.find(({ name }) => name === method);
    const descriptor = new grpcWeb.MethodDescriptor(
      `/${service}/${method}`,
      grpcWeb.MethodType.UNARY,
      Object,
      Object,
      (request) => toBinary(input, request),
      (bytes) => fromBinary(output, bytes),
    );
    const deadline = timeoutMs === undefined ? {} : { deadline: `${Date.now() + timeoutMs}` };
    const request = Object.keys(message).length ? fromJson(input, message) : create(input);
    const url = `${baseUrl}/${service}/${method}`;
    // Either may come first: an error in the text form is told with the last bytes, and the metadata when all is over.
    let tellMetadata;
    const metadata = new Promise((resolve) => (tellMetadata = resolve));
    const outcome = new Promise((resolve) => {
      const ended = (error, reply) => resolve({ error, reply });
      client.rpcCall(url, request, { ...headers, ...deadline }, descriptor, ended).on("metadata", tellMetadata);
    });
    return Promise.all([outcome, metadata]).then(([{ error, reply }, seen]) =>
      error
        ? { code: error.code, message: error.message, headers: { ...seen, ...error.metadata } }
        : { reply: toJson(output, reply), headers: seen },
    );
  };
}

const makers = {
  "grpc-web text": (baseUrl) => callsByGrpcWeb(baseUrl, "text"),
  "grpc-web binary": (baseUrl) => callsByGrpcWeb(baseUrl, "binary"),
  "connect json": (baseUrl) => callsOver(createConnectTransport({ baseUrl })),
  "connect proto": (baseUrl) => callsOver(createConnectTransport({ baseUrl, useBinaryFormat: true })),
  "connect grpc-web": (baseUrl) => callsOver(createGrpcWebTransport({ baseUrl })),
};

globalThis.reportOver = (baseUrl, client) => report(makers[client](baseUrl), client.replaceAll(" ", "-"));

// What a page may read of an answer to a request that needed a preflight.
globalThis.fetched = async (url) => {
  const headers = { "content-type": "application/json", "x-own": "mine" };
  const reply = await fetch(url, { method: "POST", body: '"Bob"', headers, credentials: "include" });
  return { status: reply.status, body: await reply.json(), readable: Object.fromEntries(reply.headers) };
};
