// Asks by OpenFeature's client for servers, as tests/clients/asking.py says: a question a line, an answer a line.
import { createInterface } from "node:readline";
import { OpenFeature } from "@openfeature/server-sdk";
import { OFREPProvider } from "@openfeature/ofrep-provider";

const [baseUrl, ...headers] = process.argv.slice(2);
const split = header => [header.slice(0, header.indexOf("=")), header.slice(header.indexOf("=") + 1)];
await OpenFeature.setProviderAndWait(new OFREPProvider({ baseUrl, headers: headers.map(split) }));
const client = OpenFeature.getClient();
const getters = { Boolean: "getBooleanDetails", String: "getStringDetails", Object: "getObjectDetails" };
for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line);
  const told = await client[getters[asked.type] ?? "getNumberDetails"](asked.key, asked.default, asked.context);
  const { value, variant = null, reason, errorCode = "", errorMessage = null, flagMetadata } = told;
  console.log(JSON.stringify({ value, variant, reason, errorCode, errorMessage, metadata: flagMetadata }));
}
