// Opens page.mjs in a headless Chromium, from another origin than the server's.
// Usage: browser.mjs <path of chromium> <base URL> <client>...; prints {origin, fetched, reports: {client: report}}.
import http from "node:http";
import { build } from "esbuild";
import puppeteer from "puppeteer-core";

const [executablePath, baseUrl, ...clients] = process.argv.slice(2);
const options = { entryPoints: ["page.mjs"], bundle: true, format: "iife", platform: "browser", write: false };
const script = (await build(options)).outputFiles[0].text;
const site = http.createServer((request, response) => {
  const isScript = request.url === "/page.js";
  response.setHeader("content-type", isScript ? "text/javascript" : "text/html");
  response.end(isScript ? script : '<!doctype html><script src="/page.js"></script>');
});
await new Promise((listening) => site.listen(0, "127.0.0.1", listening));

const browser = await puppeteer.launch({ executablePath, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
try {
  const page = await browser.newPage();
  const origin = `http://127.0.0.1:${site.address().port}`;
  await page.goto(`${origin}/`);
  const reports = {};
  for (const client of clients) {
    reports[client] = await page.evaluate((...given) => globalThis.reportOver(...given), baseUrl, client);
  }
  const fetched = await page.evaluate((url) => globalThis.fetched(url), `${baseUrl}/Greeter/greet`);
  console.log(JSON.stringify({ origin, fetched, reports }));
} finally {
  await browser.close();
  site.close();
}
