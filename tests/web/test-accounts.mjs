// SPDX-License-Identifier: Apache-2.0
// tests/run: timeout=300 jobs=2
// The account manager: sorting, filtering, several at once; users, tokens and the audit trail.
import { readFileSync } from "node:fs";
import { accessible, diag, done, goTo, is, logIn, ok, openPage, shot, startBrowser, startStack, story } from "./lib.mjs";

const browser = await startBrowser();
const stack = await startStack();
const { page, faults, context } = await openPage(browser, stack.url);

const dialog = page.locator("dialog[open]");
const names = () => page.locator("tbody .name a").allInnerTexts();
const several = page.getByRole("group", { name: "With the selected accounts" });
const bulk = page.locator(".bulk");
const account = async (name) => (await stack.api("GET", `/accounts/${name}`)).json;
const notice = (text) => page.locator(".notice").getByText(text).waitFor();
const closed = () => dialog.waitFor({ state: "detached" });

async function prepare() {
    const login = { type: "basic", username: stack.user, password: stack.userPassword };
    const make = (json) => stack.api("POST", "/accounts", { type: "OutgoingAccount", hostname: "localhost", emailAuthenticator: login, ...json });
    await make({ name: "zeta", port: stack.smtp.tls, useSsl: true });
    await make({ name: "pump-10", hostname: "" });
    await make({ name: "pump-9", port: stack.smtp.starttls, useStartTls: true, description: "boiler house" });
    await make({ name: "asleep", enabled: false });
    await make({ name: "inbox", type: "IncomingAccount", transport: "imap", port: stack.imap.imaps, useSsl: true, enabled: false });
    await logIn(page, stack);
    await goTo(page, "#/services/EmailService", "tbody tr");
}

async function sortAndFilter() {
    const column = (name) => page.getByRole("columnheader", { name });
    is(await names(), ["asleep", "inbox", "pump-9", "pump-10", "zeta"], "by name, numbers as numbers");
    await column("Name").getByRole("button").click();
    is([await column("Name").getAttribute("aria-sort"), (await names())[0]], ["descending", "zeta"], "and downward");
    await column("Status").getByRole("button").click();
    is((await names())[0], "pump-10", "by status: what is at fault comes first");
    await column("Security").getByRole("button").click();
    is((await names()).slice(-2).sort(), ["inbox", "zeta"], "by security");
    await column("Name").getByRole("button").click();
    const find = page.getByRole("searchbox", { name: "Find an account" });
    await find.fill("boiler");
    is(await names(), ["pump-9"], "found by the description");
    await find.fill("nothing like that");
    await page.getByText("No account is like that.").waitFor();
    await find.fill("");
    await page.getByLabel("Kind").selectOption("IncomingAccount");
    is(await names(), ["inbox"], "one kind alone");
    await page.getByLabel("Kind").selectOption("");
    await page.getByRole("group", { name: "Status" }).getByRole("button", { name: "disabled" }).click();
    is(await names(), ["asleep", "inbox"], "one state alone");
    await page.getByRole("group", { name: "Status" }).getByRole("button", { name: "disabled" }).click();
}

async function severalAtOnce() {
    await page.getByLabel("Select asleep").check();
    await page.getByLabel("Select inbox").check();
    await several.getByText("2 of 5 accounts selected").waitFor();
    await accessible(page, "several selected");
    await shot(page, "several");
    await several.getByRole("button", { name: "Enable" }).click();
    await bulk.getByText("2 done, none failed.").waitFor();
    is([(await account("asleep")).enabled, (await account("inbox")).enabled], [true, true], "several enabled");
    await several.getByRole("button", { name: "Disable" }).click();
    await bulk.getByText("Disable").waitFor();
    await bulk.getByText("2 done").waitFor();
    is([(await account("asleep")).enabled, (await account("inbox")).enabled], [false, false], "and disabled");
    await page.getByLabel("Select asleep").uncheck();
    await page.getByLabel("Select inbox").uncheck();
    await page.getByLabel("Select pump-9").click();
    await page.getByLabel("Select zeta").click({ modifiers: ["Shift"] });
    await several.getByText("3 of 5 accounts selected").waitFor();
    ok(true, "Shift selects from one to the other");
    await several.getByRole("button", { name: "Verify" }).click();
    await bulk.getByText("3 done, 3 of them failed.").waitFor();
    const told = await bulk.innerText();
    ok(/pump-10 Resolve/.test(told) && /pump-9 Certificate/.test(told) && /zeta Certificate/.test(told), "verifying many says where each stopped");
    await accessible(page, "what came of it");
    await shot(page, "bulk");
    await bulk.getByRole("button", { name: "Close" }).click();
    await page.getByLabel("Select all").check();
    await page.getByLabel("Select zeta").uncheck();
    await several.getByRole("button", { name: "Delete…" }).click();
    await dialog.getByText("Their settings and their secrets are lost.").waitFor();
    await accessible(page, "deleting several");
    await dialog.getByRole("button", { name: "Delete" }).click();
    await closed();
    await page.waitForFunction(() => document.querySelectorAll("tbody .name a").length === 1);
    is(await names(), ["zeta"], "all but one deleted");
}

async function users() {
    await goTo(page, "#/services/UserService", "tbody tr");
    await page.getByRole("button", { name: "New user…" }).click();
    await dialog.getByLabel("Name").fill("../../etc");
    await dialog.getByRole("textbox", { name: "New password" }).fill("short");
    await dialog.getByRole("button", { name: "Create" }).click();
    await dialog.locator('[role="alert"]:not(:empty)').first().waitFor();
    await accessible(page, "a new user, refused");
    ok(true, "a name and a password that won't do are refused at their fields");
    await dialog.getByLabel("Name").fill("operator-1");
    await dialog.getByRole("button", { name: "Make one" }).click();
    const password = await dialog.getByRole("textbox", { name: "New password" }).inputValue();
    ok(/^([a-z2-9]{5}-){4}[a-z2-9]{5}$/.test(password), "a password can be made");
    await dialog.getByRole("button", { name: "Create" }).click();
    await closed();
    await page.getByRole("link", { name: "operator-1" }).waitFor();

    const other = await openPage(browser, stack.url);
    await logIn(other.page, { username: "operator-1", password });
    await goTo(other.page, "#/services/UserService", "[data-property]");
    is(await other.page.getByRole("link", { name: "API Tokens" }).count(), 0, "an operator sees no users and no tokens");
    await page.getByRole("button", { name: "Log out operator-1" }).click();
    await dialog.getByRole("button", { name: "Log out" }).click();
    await other.page.locator("dialog[open]").getByText("Your session has ended.").waitFor({ timeout: 60_000 });     /* a stream ends within 20 s */
    ok(true, "logged out everywhere by an administrator");
    await page.getByRole("button", { name: "Password… operator-1" }).click();
    await dialog.getByRole("textbox", { name: "New password" }).fill("another long password");
    await dialog.getByRole("button", { name: "Set the password" }).click();
    await notice("has another password");
    await other.page.locator("dialog[open]").getByLabel("Password").fill("another long password");
    await other.page.locator("dialog[open]").getByRole("button", { name: "Log in" }).click();
    await other.page.locator("dialog[open]").waitFor({ state: "detached" });
    ok(true, "and in again with the new password");
    await page.getByRole("link", { name: "operator-1" }).click();
    await page.locator("[data-property=role] select").selectOption({ label: "Viewer" });
    await page.keyboard.press("Control+s");
    await notice("Saved");
    is((await stack.api("GET", "/users/operator-1")).json.role, "viewer", "a user's sheet");
    await goTo(page, "#/services/UserService", "tbody tr");
    await page.getByRole("button", { name: "Delete… operator-1" }).click();
    await dialog.getByRole("button", { name: "Delete" }).click();
    await page.getByRole("link", { name: "operator-1" }).waitFor({ state: "detached" });
    ok(await page.getByRole("button", { name: "Delete… admin" }).isDisabled(), "nobody deletes themselves");
    is(other.faults, [], "no fault on the other page");
    await other.context.close();
}

async function tokens() {
    await goTo(page, "#/services/UserService/tokens", ".top");
    await page.getByRole("button", { name: "New API token…" }).click();
    await dialog.getByLabel("Name").fill("plc-7");
    await dialog.getByLabel("Role").selectOption("viewer");
    await dialog.getByLabel("Only these accounts").fill("zeta");
    await page.keyboard.press("Enter");
    await dialog.getByRole("button", { name: "Without zeta" }).waitFor();
    await accessible(page, "a new token");
    await dialog.getByRole("button", { name: "Create" }).click();
    const token = await dialog.locator("[data-token]").innerText();
    await accessible(page, "a token, shown once");
    const asked = await page.request.get(`${stack.url}/api/v1/accounts`, { headers: { Authorization: `Bearer ${token}` } });
    is((await asked.json()).items.map((a) => a.name), ["zeta"], "the token works, for its account alone");
    await page.keyboard.press("Escape");
    ok(await dialog.isVisible(), "Escape doesn't lose it");
    await dialog.getByRole("button", { name: "I have kept it" }).click();
    await closed();
    ok(!(await page.content()).includes(token), "and then it is gone from the page");
    await page.getByRole("button", { name: "Delete… plc-7" }).click();
    await dialog.getByRole("button", { name: "Delete" }).click();
    await page.getByRole("rowheader", { name: "plc-7" }).waitFor({ state: "detached" });
    is((await page.request.get(`${stack.url}/api/v1/accounts`, { headers: { Authorization: `Bearer ${token}` } })).status(), 401, "deleted, it opens nothing");
}

async function audit() {
    await stack.api("PATCH", "/accounts/zeta", { description: "changed by a program" });
    await goTo(page, "#/logs", "tbody tr");
    const first = page.locator("tbody tr").first();
    await first.getByText("OutgoingAccount/zeta").waitFor();
    ok(/changed.*Description/s.test(await first.innerText()), "the trail says who changed which property");
    await page.getByRole("searchbox", { name: "Find in the trail" }).fill("plc-7");
    ok(await page.locator("tbody tr").count() >= 1, "and can be searched");
    await goTo(page, "#/accounts/zeta", "[data-property=description]");
    const row = page.locator("[data-property=description]");
    await row.locator("textarea").focus();
    await row.getByText(/^set by token:test/).waitFor();
    ok(true, "the row says who set it last");
    ok((await page.locator("form footer").innerText()).includes("last changed by token:test"), "and the sheet who changed it last");
}

async function configuration() {
    await goTo(page, "#/config", "main input[type=file]");
    const saved = page.waitForEvent("download");
    await page.getByRole("button", { name: "Save as JSON" }).click();
    const path = await (await saved).path();
    const all = JSON.parse(readFileSync(path, "utf8"));
    ok(JSON.stringify(all).includes("zeta") && !JSON.stringify(all).includes(stack.userPassword), "the configuration as a file, without secrets");
    const choose = (text) => page.getByLabel("File").setInputFiles({ name: "site.json", mimeType: "application/json", buffer: Buffer.from(text) });
    await choose("{ not JSON");
    await page.getByText("This file is not JSON.").waitFor();
    await choose(JSON.stringify(all));
    await page.getByText("Nothing would change.").waitFor();
    ok(true, "applied as it is, nothing would change");
    await choose(JSON.stringify(all).replace('"zeta"', '"zeta","description":"by document","x":1'));
    await page.locator(".banner").waitFor();
    ok(true, "what is wrong in it is said");
    const changed = JSON.parse(JSON.stringify(all), (key, value) => (value && value.name === "zeta" ? { ...value, description: "by document" } : value));
    await choose(JSON.stringify(changed));
    await page.getByText(/^1 change,/).waitFor();
    await page.getByRole("cell", { name: "Description" }).waitFor();
    await accessible(page, "what a document would change");
    await shot(page, "plan");
    await page.getByRole("button", { name: "Apply" }).click();
    await notice("1 change is made.");
    is((await account("zeta")).description, "by document", "and applied");
}

/* The page itself ends a session that nobody uses, since what it asks by itself would keep it alive. */
async function idle() {
    await stack.api("PATCH", "/services/WebService", { sessionIdle: 60 });
    const other = await openPage(browser, stack.url);
    await other.page.clock.install();
    await other.page.reload();
    await logIn(other.page, stack);
    await goTo(other.page, "#/accounts/zeta", "[data-property=description]");
    await other.page.locator("[data-property=description] textarea").fill("typed and left");
    await other.page.clock.runFor(45_000);
    await other.page.getByText("Nobody has used this page for a while.").waitFor();
    await accessible(other.page, "a session about to end");
    await other.page.getByRole("button", { name: "Stay logged in" }).click();
    await other.page.getByText("Nobody has used this page for a while.").waitFor({ state: "detached" });
    ok(true, "a session about to end says so, and can be kept");
    await other.page.clock.runFor(65_000);
    await other.page.locator("dialog[open]").getByText("Your session has ended.").waitFor();
    is(await other.page.locator("[data-property=description] textarea").inputValue(), "typed and left", "ended, with nothing typed lost");
    await other.context.close();
}

async function everywhere() {
    const second = await context.newPage();
    await second.goto(stack.url);
    await second.locator("#main").waitFor();
    await page.bringToFront();
    await page.getByRole("button", { name: "Logged in as admin" }).click();
    await page.getByRole("menuitem", { name: "Log out everywhere" }).click();
    await page.getByLabel("Username").waitFor();
    await second.bringToFront();
    await second.locator("dialog[open]").getByText("Your session has ended.").waitFor();
    ok(true, "log out everywhere ends the other tab's session too");
    await page.bringToFront();
    await logIn(page, stack);
    await second.locator("dialog[open]").waitFor({ state: "detached" });
    ok(true, "and logged in again here, it goes on there");
}

try {
    await story(page, prepare, sortAndFilter, severalAtOnce, users, tokens, audit, configuration, idle, everywhere);
    if (!is(faults, [], "no console error, no CSP message, no request to another origin"))
        diag(faults.join("\n"));
} finally {
    await browser.close();
    is(await stack.stop(), 0, "postern and the servers ended as they should");
}
done();
