// SPDX-License-Identifier: Apache-2.0
// Makes the pictures of the README anew, in doc/screenshots/: node tests/web/screenshots.mjs [FOLDER]
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { goTo, logIn, openPage, startBrowser, startStack, top } from "./lib.mjs";

const folder = process.argv[2] ?? join(top, "doc", "screenshots");
mkdirSync(folder, { recursive: true });
const browser = await startBrowser();
const stack = await startStack();
const login = { type: "basic", username: stack.user, password: stack.userPassword };
const make = (json) => stack.api("POST", "/accounts", { type: "OutgoingAccount", hostname: "localhost", from: "plant@example.test", emailAuthenticator: login, ...json });
const verify = (name) => stack.api("POST", `/accounts/${name}/actions/verify`, {});

async function approve(port) {
    const id = `localhost:${port}`;
    const { json } = await stack.api("GET", `/trust/allowed-hosts/${id}`);
    await stack.api("POST", `/trust/allowed-hosts/${id}/actions/approve`, { sha256: json.certificate.sha256, note: "compared by telephone" });
}

async function prepare() {
    await make({ name: "boiler-alerts", port: stack.smtp.tls, useSsl: true, description: "Boilers 1 to 4" });
    await make({ name: "daily-reports", port: stack.smtp.tls, useSsl: true });
    await make({ name: "water-works", port: stack.smtp.starttls, useStartTls: true });
    await make({ name: "old-controller", hostname: "127.0.0.1", port: 9, emailAuthenticator: { type: "none" } });
    await make({ name: "spare", enabled: false });
    await make({ name: "commands", type: "IncomingAccount", from: undefined, transport: "imap", port: stack.imap.imaps, useSsl: true, emailAuthenticator: { type: "basic", username: "office", password: stack.passwords.office } });
    for (const name of ["boiler-alerts", "water-works", "commands", "old-controller"])
        await verify(name);
    await approve(stack.smtp.tls);
    await approve(stack.imap.imaps);
    for (const name of ["boiler-alerts", "daily-reports", "commands"])
        await verify(name);
    for (const [account, subject] of [["boiler-alerts", "Boiler 2: pressure is back to normal"], ["boiler-alerts", "Boiler 2: pressure high"], ["daily-reports", "Report of the night shift"]])
        await stack.api("POST", `/accounts/${account}/messages`, { to: [stack.to], subject, text: `${subject}.` });
    await stack.ask({ do: "deliver", user: "office", raw: "From: control@example.test\nTo: office@example.test\nSubject: Start pump 4\nMessage-ID: <c1@example.test>\n\nStart pump 4 at 06:00.\n" });
}

async function picture(page, name) {
    await page.locator(".notice .icon").click({ timeout: 300 }).catch(() => {});
    await page.waitForTimeout(400);
    await page.screenshot({ path: join(folder, `${name}.png`) });
}

try {
    await prepare();
    const light = await openPage(browser, stack.url, { colorScheme: "light" });
    await logIn(light.page, stack);
    await goTo(light.page, "#/accounts/water-works", "[data-property=port]");
    await light.page.locator("[data-property=useSsl] select").selectOption("true");
    await light.page.locator("[data-property=port]").getByText("use 465").click();
    await picture(light.page, "sheet");
    await light.page.locator(".banner").getByRole("button", { name: "Review…" }).click();
    await light.page.locator("dialog[open] .large").waitFor();
    const { sha256 } = await stack.ask({ do: "fingerprint", port: stack.smtp.tls });
    await light.page.getByLabel("The fingerprint you were told").fill(sha256);
    await picture(light.page, "challenge");
    const dark = await openPage(browser, stack.url, { colorScheme: "dark" });
    await logIn(dark.page, stack);
    await goTo(dark.page, "#/services/EmailService/messages", "tbody tr");
    await dark.page.getByRole("link", { name: "Boiler 2: pressure is back to normal" }).last().click();
    await dark.page.locator(".message .state").getByText("sent").waitFor();
    await picture(dark.page, "messages");
} finally {
    await browser.close();
    await stack.stop();
}
