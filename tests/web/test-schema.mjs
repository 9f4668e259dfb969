// SPDX-License-Identifier: Apache-2.0
// What the sheet computes before it asks the server: ports that follow, toggles that exclude each other, patches,
// fingerprints. No server and no browser.
import { done, is, ok, source } from "./lib.mjs";

const { applyEdit, carriedOver, complaintOf, copyOf, groupsOf, mergePatch, propertiesOf, same, titleOf, usualValue } = await source("schema.ts");
const { measured, scaleOf } = await source("fields/field.ts");
const { count } = await source("views/messages/traffic.ts");
const { daysLeft, shortOf } = await source("views/trust/certificates.ts");
const { compare, groupsOf: digits, read } = await source("parts/fingerprint.ts");

const ports = {
    smtp: [25, 587, 465], imap: [143, 143, 993], pop3: [110, 110, 995],      /* not encrypted, useStartTls, useSsl */
};
const table = Object.entries(ports).flatMap(([transport, [plain, startTls, ssl]]) => [
    { when: { transport, useSsl: false, useStartTls: false }, value: plain },
    { when: { transport, useSsl: false, useStartTls: true }, value: startTls },
    { when: { transport, useSsl: true, useStartTls: false }, value: ssl },
]);
const type = {
    properties: {
        name: { type: "string", "x-hidden": true, "x-order": 0 },
        hostname: { type: "string", "x-order": 1, "x-group": "Connection" },
        transport: { type: "string", enum: ["smtp", "imap", "pop3"], "x-order": 2, "x-group": "Connection" },
        useSsl: { type: "boolean", title: "Use Ssl", "x-order": 3, "x-group": "Connection" },
        useStartTls: { type: "boolean", "x-order": 4, "x-group": "Connection" },
        port: { type: "integer", minimum: -1, maximum: 65535, "x-order": 5, "x-dependentDefault": { on: ["transport", "useSsl", "useStartTls"], table } },
        emailAuthenticator: {
            "x-discriminator": "type", "x-order": 6,
            oneOf: [
                { title: "Basic", properties: {
                    type: { const: "basic" }, username: { type: "string", default: "" }, password: { "x-secret": true }, passwordSet: { type: "boolean", "x-marker": true },
                } },
                { title: "OAuth 2", properties: { type: { const: "oauth2" }, username: { type: "string", default: "" }, tenant: { type: "string", default: "" } } },
            ],
        },
        numberSent: { type: "integer", readOnly: true, "x-order": 7, "x-group": "Status" },
    },
    "x-exclusive": [["useSsl", "useStartTls"]],
};
const plain = { hostname: "", transport: "smtp", useSsl: false, useStartTls: false, port: 25, emailAuthenticator: { type: "basic", username: "plant", passwordSet: true } };
const edit = (values, name, value) => applyEdit(type, values, name, value);

for (const [transport, row] of Object.entries(ports))
    ["neither", "useStartTls", "useSsl"].forEach((security, at) => {
        let values = plain;
        values = edit(values, "transport", transport).values;
        if (at > 0)
            values = edit(values, security, true).values;
        is(values.port, row[at], `${transport}, ${security}: port ${row[at]}`);
        values = edit(values, "useSsl", false).values;
        values = edit(values, "useStartTls", false).values;
        values = edit(values, "transport", "smtp").values;
        is(values.port, 25, `${transport}, ${security}: and back again`);
    });

{
    const step = edit({ ...plain, useStartTls: true, port: 587 }, "useSsl", true);
    is([step.values.useSsl, step.values.useStartTls, step.values.port], [true, false, 465], "one toggle switches the other off, and the port goes along");
    is([step.cleared, step.followed], [["useStartTls"], ["port"]], "and both are told");
    is(edit({ ...plain, port: 2525 }, "useSsl", true).values.port, 2525, "an unusual port stays");
    is(edit({ ...plain, port: -1 }, "useSsl", true).values.port, -1, "the usual port by -1 stays -1");
    is(edit({ ...plain, port: 465 }, "useSsl", true).values.port, 465, "a port that was set first stays");
    is(usualValue(type.properties.port, { ...plain, useSsl: true, useStartTls: true }), undefined, "no usual port for both");
}
{
    const patch = (next) => mergePatch(type, plain, { ...plain, ...next });
    is(patch({}), {}, "nothing changed, nothing sent");
    is(patch({ hostname: "mail" }), { hostname: "mail" }, "what changed is sent");
    is(patch({ useSsl: true, port: 465 }), { useSsl: true, port: 465 }, "the port that followed is sent as seen");
    is(patch({ useSsl: true }), { useSsl: true, port: 25 }, "a port that was kept is sent too, so that it stays");
    is(patch({ emailAuthenticator: { type: "basic", username: "plant", passwordSet: true, password: "x" } }), { emailAuthenticator: { password: "x" } }, "a new secret goes alone");
    is(patch({ emailAuthenticator: { type: "basic", username: "plant", passwordSet: true, password: null } }), { emailAuthenticator: { password: null } }, "a secret is cleared by null");
    is(patch({ emailAuthenticator: { type: "oauth2", username: "plant", tenant: "t" } }), { emailAuthenticator: { type: "oauth2", username: "plant", tenant: "t" } },
        "another kind is sent whole, without what only the old one had");
    is(mergePatch(type, plain, { ...plain, numberSent: 4 }), {}, "what is read-only is never sent");
}
is(carriedOver(type.properties.emailAuthenticator.oneOf[1], { type: "basic", username: "plant", password: "x" }), { type: "oauth2", username: "plant", tenant: "" },
    "another kind keeps what both have, and no secret");
is(propertiesOf(type).map((p) => p.name), ["hostname", "transport", "useSsl", "useStartTls", "port", "emailAuthenticator", "numberSent"], "rows in their order, hidden ones left out");
is(propertiesOf(type.properties.emailAuthenticator.oneOf[0]).map((p) => `${p.name} ${p.kind}`), ["username text", "password secret"], "the mark of a secret is no row");
is(groupsOf(propertiesOf(type), "Rest").map((g) => g.title), ["Connection", "Rest", "Status"], "groups in the order of their first row");
is(["useStartTls", "tlsMinProtocol", "lastPollFailureCause"].map(titleOf), ["Use Start Tls", "Tls Min Protocol", "Last Poll Failure Cause"], "camelCase in spaced words");
ok(same({ a: [1, { b: null }] }, { a: [1, { b: null }] }) && !same({ a: 1 }, { a: 1, b: 2 }) && !same([1], { 0: 1 }), "deep equality");
{
    const port = propertiesOf(type).find((p) => p.name === "port");
    is([465, -1, 70000, "4x", 1.5].map((v) => complaintOf(port, v)?.why ?? null), [null, null, "range", "number", "number"], "numbers are looked at before the server is asked");
}

{
    const copied = copyOf({ properties: { ...type.properties, numberSent: { readOnly: true } } }, { ...plain, name: "x", numberSent: 4, emailAuthenticator: { type: "basic", username: "plant", passwordSet: true } });
    is(copied, { values: { hostname: "", transport: "smtp", useSsl: false, useStartTls: false, port: 25, emailAuthenticator: { type: "basic", username: "plant" } }, lost: ["Password"] },
        "a copy has neither name nor secrets nor what the server writes, and says what it lost");
    is(copyOf(type, { emailAuthenticator: { type: "basic", password: { $file: "mail" }, passwordSet: true } }).values.emailAuthenticator.password, { $file: "mail" }, "a secret in a file is copied by its name");
}
is([86400, 90, 3600, 0, 432000, "x"].map((value) => scaleOf("s", value)), [86400, 1, 3600, 1, 86400, 1], "the unit that a duration is easiest to say in");
is([measured({ unit: "s" }, 5400), measured({ unit: "bytes" }, 26214400), measured({ unit: "days" }, 30), measured({ unit: "" }, 587)], ["1 hour 30 minutes", "25 MiB", "30 days", "587"], "numbers with their units");
{
    const now = Date.parse("2026-11-26T10:30:00Z"), at = (hours, direction, state) => ({ date: new Date(now - hours * 3600e3).toISOString(), direction, state });
    const hours = count([at(0, "outgoing", "sent"), at(0.2, "outgoing", "sent"), at(1, "outgoing", "failed"), at(1, "outgoing", "queued"), at(23, "incoming", "received"), at(24, "incoming", "received")], now);
    is([hours.length, hours[23].sent, hours[22].failed, hours[22].sent, hours[0].received], [24, 2, 1, 0, 1], "messages counted by the hour of the last day, and not beyond it");
}
is(["CN=mail,O=Plant", "O=Only\\, Inc.,C=DE", "OU=Unit,O=Org", ""].map(shortOf), ["mail", "Only, Inc.", "Unit", ""], "the name that people know a certificate by");
is([daysLeft("2026-12-01T00:00:00Z", Date.parse("2026-11-26T00:00:00Z")), daysLeft("2026-11-25T00:00:00Z", Date.parse("2026-11-26T12:00:00Z"))], [5, -2], "whole days left");

const own = "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0";
const colons = own.toUpperCase().match(/../g).join(":");
for (const [told, expected, name] of [
    ["", "empty", "nothing typed"],
    [own, "same", "hex"],
    [colons, "same", "hex with colons"],
    [`SHA256 Fingerprint=${colons}`, "same", "as openssl prints it"],
    [` sha256:${own} `, "same", "with a prefix and spaces"],
    [digits(own).join(" "), "same", "in groups of four"],
    [Buffer.from(own, "hex").toString("base64"), "same", "base64"],
    [Buffer.from(own, "hex").toString("base64").replace("=", ""), "same", "base64 without padding"],
    ["0f1e 2d", "so-far", "the beginning of it"],
    [own.replace("4b5a", "4b5b"), "different", "another"],
    ["hello", "unreadable", "something else"],
    [`${own}00`, "unreadable", "too long"],
])
    is(compare(colons, told).is, expected, `fingerprint: ${name}`);
is(compare(own, own.replace("4b5a", "4b5b").replace(/e1f0$/, "e1f1")).groups, [2, 15], "fingerprint: where it differs");
is(read("zz"), null, "fingerprint: not hex");

done();
