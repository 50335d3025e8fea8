// What the TypeScript SDK does with its server's output. Prints its CPU seconds and the number of lines.
const readline = require("readline");

const start = process.cpuUsage();
const input = readline.createInterface({ input: process.stdin, crlfDelay: Infinity });
let lines = 0;
let characters = 0;

(async () => {
  for await (const line of input) {
    const event = JSON.parse(line);
    if (event.method === "item/agentMessage/delta") characters += event.params.delta.length;
    lines += 1;
  }
  const used = process.cpuUsage(start);
  console.log(((used.user + used.system) / 1e6).toFixed(9), lines, characters);
})();
