// SPDX-License-Identifier: Apache-2.0
// nodemailer.js PORT CA-FILE MESSAGE-FILE COUNT CONNECTIONS [RUNS] - a nodemailer pool that sends COUNT copies of a message over TLS.
// Ready when it prints "ready"; sends once for each line on standard input and prints the seconds on the clock at the start.
"use strict";
const fs = require("node:fs");
const readline = require("node:readline");
const nodemailer = require("nodemailer");

const [port, ca, messageFile, count, connections] = process.argv.slice(2);
const text = fs.readFileSync(messageFile, "utf8");
const pool = nodemailer.createTransport({
  pool: true, host: "localhost", port: Number(port), secure: true, maxConnections: Number(connections),
  maxMessages: Infinity, tls: { ca: fs.readFileSync(ca) }, name: "bench.example.test",
});

function compose(number) {
  const digits = String(number).padStart(8, "0");
  if (process.env.NODEMAILER_RAW) {
    return { envelope: { from: "plant@example.test", to: "office@example.test" }, raw: text.replaceAll("@@@@@@@@", digits) };
  }
  return { from: "plant@example.test", to: "office@example.test", subject: `Report ${digits}`, text };
}

readline.createInterface({ input: process.stdin }).on("line", async () => {
  const begun = process.hrtime.bigint();
  const sent = [];
  for (let i = 0; i < Number(count); i++) sent.push(pool.sendMail(compose(i)));
  await Promise.all(sent);
  console.log(`sent ${begun}`);
}).on("close", () => pool.close());
console.log("ready");
