// Makes the calls that its input tells, with npm's `resend`, and prints what the client answers.
//
// A line of input is a chain of calls, each a name and what is given to it, as JSON:
//   [["automations.runs.list", {"automationId": "..."}]]
//   [["templates.create", {"name": "Hello"}], ["publish"]]
// A line of output is `{"data", "error", "headers"}`. The key and the address are in the environment.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const [packages] = process.argv.slice(2);
const { Resend } = createRequire(`${packages}/`)("resend");
const resend = new Resend();

function call(from, name, given) {
  const path = name.split(".");
  const method = path.pop();
  const owner = path.reduce((found, part) => found[part], from);
  return owner[method](...given);
}

for await (const line of createInterface({ input: process.stdin })) {
  let found = resend;
  for (const [name, ...given] of JSON.parse(line)) found = call(found, name, given);
  console.log(JSON.stringify(await found));
}
