// Asks by OpenFeature's client for pages, as tests/clients/asking.py says: a question a line, an answer a line.
// It has its users one after the other, evaluates all flags for each, and polls; Node keeps no page's storage.
import { createInterface } from "node:readline";
import { OpenFeature } from "@openfeature/web-sdk";
import { OFREPWebProvider } from "@openfeature/ofrep-web-provider";

const [baseUrl, ...headers] = process.argv.slice(2);
const split = header => [header.slice(0, header.indexOf("=")), header.slice(header.indexOf("=") + 1)];
const provider = new OFREPWebProvider({
  baseUrl, headers: headers.map(split), pollInterval: 100, cacheMode: "disabled",
});
const client = OpenFeature.getClient();
const getters = { Boolean: "getBooleanDetails", String: "getStringDetails", Object: "getObjectDetails" };
let user;
for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line);
  if (JSON.stringify(asked.context) !== user) {
    await OpenFeature.setContext(asked.context);
    if (user === undefined) await OpenFeature.setProviderAndWait(provider).catch(() => {});
    user = JSON.stringify(asked.context);
  }
  const told = client[getters[asked.type] ?? "getNumberDetails"](asked.key, asked.default);
  const { value, variant = null, reason, errorCode = "", errorMessage = null, flagMetadata } = told;
  const status = client.providerStatus;
  console.log(JSON.stringify({ value, variant, reason, errorCode, errorMessage, metadata: flagMetadata, status }));
}
process.exit(0);
