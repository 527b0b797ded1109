// The calls that every RPC client of the tests makes, whatever it speaks.
//
// `call(service, method, message, {headers, timeoutMs})`, which each client brings, takes the JSON form of the request
// and gives {reply, headers}, or {code, message, headers} with the code's number. `run` keeps keys apart.
export async function report(call, run) {
  const key = (name) => `${run}-${name}`;
  const twice = async (...one) => [await call(...one), await call(...one)];
  const once = { headers: { "idempotency-key": key("once") } };
  const many = Array.from({ length: 20 }, (_, n) => call("Greeter", "greet", { request: `${n}` }));
  return {
    modern: await call("Greeter", "greet", { request: "Bob ☺" }),
    classic: await call("greeter", "greet", { request: "Bob ☺" }),
    object: await twice("Counter", "add", { key: key("object"), request: 2 }),
    keyed: await twice("counter", "add", { key: key("keyed"), request: 2 }),
    shop: await call("acme.shop.v1.Carts", "Add", { customerId: key("shop"), item: "tea", count: "2" }),
    seen: await call("Edge", "headers", {}, { headers: { "x-own": "mine" } }),
    refused: await call("Steps", "terminal", { request: { message: "no: 100% ☺", code: 409 } }),
    refusedByClassic: await call("steps", "terminal", { request: { message: "no: 100% ☺", code: 9 } }),
    keyless: await call("Counter", "add", { request: 1 }),
    once: await twice("Counter", "add", { key: key("once"), request: 1 }, once),
    onceInClassic: await twice("counter", "add", { key: key("once"), request: 1 }, once),
    late: await call("Counter", "slowAdd", { key: key("late"), request: { n: 1, ms: 4000 } }, { timeoutMs: 300 }),
    large: (await call("Greeter", "greet", { request: "x".repeat(1_000_000) })).reply?.response.length,
    sent: await call("dev.restate.Ingress", "Invoke", {
      service: "Counter",
      method: "add",
      argument: { key: key("sent"), request: 7 },
    }),
    many: (await Promise.all(many)).map(({ reply }) => reply?.response),
  };
}
