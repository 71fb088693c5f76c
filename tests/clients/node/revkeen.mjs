// Makes the requests that its input tells, with npm's `@revkeen/sdk`, and prints what it answers.
//
// The package has no methods for automations; its public `requestData` gives its own client to a
// function, which reaches every path. A line of input is what that client is asked, as JSON:
//   {"method": "get", "url": "/automations/{id}", "path": {"id": "..."}}
// A line of output is `{"data"}` or `{"error": {"status", "message", "body"}}`.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const [packages] = process.argv.slice(2);
const { RevKeen, RevKeenAPIError } = createRequire(`${packages}/`)("@revkeen/sdk");
const { REVKEEN_API_KEY: apiKey, REVKEEN_BASE_URL: baseUrl } = process.env;
const revkeen = new RevKeen({ apiKey, baseUrl });
const security = [{ name: "x-api-key", type: "apiKey" }];

async function request({ method, url, ...options }) {
  try {
    const ask = (given) => given.client[method]({ security, url, ...given });
    return { data: await revkeen.requestData(ask, options) };
  } catch (error) {
    if (!(error instanceof RevKeenAPIError)) throw error;
    const { status, message, body } = error;
    return { error: { status, message, body } };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await request(JSON.parse(line))));
}
