// SPDX-License-Identifier: Apache-2.0
// tests/run: timeout=300 jobs=2
// The administrator's path in a real browser, against real Postfix and Dovecot: log in, make an account, ports that
// follow the toggles, save, verify, the challenge, accept, send; a changed key; the CA; a conflict; a server that is away.
import { done, diag, is, logIn, ok, openPage, goTo, shot, startBrowser, startStack, story } from "./lib.mjs";

const browser = await startBrowser();
const stack = await startStack();
const { page, faults } = await openPage(browser, stack.url);

const row = (name) => page.locator(`[data-property="${name}"]`).first();
const editor = (name) => row(name).locator("input, select, textarea").first();
const value = (name) => editor(name).inputValue();
const choose = (name, to) => editor(name).selectOption(to);
const beside = (name) => row(name).locator(".beside").innerText();
const footer = () => page.locator("form footer p").innerText();
const button = (name) => page.getByRole("button", { name, exact: true });
const notice = (text) => page.locator(".notice").getByText(text).waitFor();
const dialog = page.locator("dialog[open]");
const node = (name) => page.getByRole("treeitem", { name });
const account = async (name) => (await stack.api("GET", `/accounts/${name}`)).json;

async function save(good = true) {
    await button("Save").click();
    if (good)
        await notice("Saved");
}

async function make(kind, name) {
    await page.locator(".palette").getByRole("button", { name: kind, exact: true }).click();
    await dialog.getByLabel("Name").fill(name);
    await dialog.getByRole("button", { name: "Create" }).click();
    await page.getByRole("heading", { level: 1, name }).waitFor();
    await row("port").waitFor();
}

async function logInFirst() {
    await page.getByLabel("Username").fill(stack.username);
    await page.getByLabel("Password").fill("not the password");
    await page.getByRole("button", { name: "Log in" }).click();
    await page.getByText("The username or the password is not right.").waitFor();
    ok(true, "a wrong password is refused in words");
    await logIn(page, stack);
    ok(true, "the right one opens the page");
    await page.getByText("No accounts yet").waitFor();
    ok(true, "no accounts yet: the page says so, and how to make one");
}

async function newAccount() {
    await page.locator(".palette").getByRole("button", { name: "OutgoingAccount" }).click();
    await dialog.getByLabel("Name").fill(".hidden/name");
    await dialog.getByRole("button", { name: "Create" }).click();
    await dialog.getByText("A name is 1 to 64 of").waitFor();
    ok(true, "a bad name is refused in words");
    await dialog.getByLabel("Name").fill("alerts");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { level: 1, name: "alerts" }).waitFor();
    ok(true, "the new account's sheet opens");
    await node("alerts").waitFor();
    ok(true, "and it is in the tree");
    await page.locator(".palette").getByRole("button", { name: "OutgoingAccount" }).click();
    await dialog.getByLabel("Name").fill("alerts");
    await page.keyboard.press("Enter");
    await dialog.getByText("There is already an account named alerts.").waitFor();
    ok(true, "a name that is taken is refused in words");
    await page.keyboard.press("Escape");
}

async function portsOfSmtp() {
    await goTo(page, "#/accounts/alerts", '[data-property="port"]');
    is([await value("useSsl"), await value("useStartTls"), await value("port")], ["false", "false", "25"], "smtp, neither: 25");
    await choose("useSsl", "true");
    is([await value("useSsl"), await value("useStartTls"), await value("port")], ["true", "false", "465"], "smtp, Use Ssl: 465 before Save");
    ok((await beside("port")).startsWith("25 → 465, follows Use Ssl"), "the row says what it follows");
    is(await footer(), "2 changes", "both are counted");
    await choose("useStartTls", "true");
    is([await value("useSsl"), await value("useStartTls"), await value("port")], ["false", "true", "587"], "smtp, Use Start Tls: 587, and Use Ssl goes false");
    await shot(page, "ports");
    await row("port").getByRole("button", { name: "Undo the change of Port" }).click();
    is([await value("useStartTls"), await value("port")], ["true", "25"], "undo keeps the port alone");
    ok((await beside("port")).includes("587 is usual for"), "and the usual one is offered");
    await save();
    is(await account("alerts").then((a) => [a.useSsl, a.useStartTls, a.port]), [false, true, 25], "saved as seen, the port not moved again");
    ok((await row("port").locator(".warning").innerText()).includes("587"), "with the server's remark at the row");
    await row("port").getByRole("button", { name: "use 587" }).click();
    await save();
    is((await account("alerts")).port, 587, "the offer is taken");
    await choose("useSsl", "true");
    await save();
    is(await account("alerts").then((a) => [a.useSsl, a.useStartTls, a.port]), [true, false, 465], "from Start Tls to Ssl: 465");
    await choose("useSsl", "false");
    await save();
    is(await account("alerts").then((a) => [a.useSsl, a.useStartTls, a.port]), [false, false, 25], "and back to neither: 25");
    await editor("port").fill("2525");
    await choose("useSsl", "true");
    is(await value("port"), "2525", "an unusual port stays");
    await editor("port").press("Escape");
    is(await value("port"), "25", "Escape undoes the row");
    await choose("useSsl", "false");
    is(await footer(), "No changes", "all is as it was");
}

async function portsOfIncoming() {
    await make("IncomingAccount", "inbox");
    const cells = { pop3: ["110", "110", "995"], imap: ["143", "143", "993"] };
    for (const [transport, ports] of Object.entries(cells)) {
        await choose("transport", { label: transport === "pop3" ? "Pop3" : "Imap" });
        is(await value("port"), ports[0], `${transport}, neither: ${ports[0]}`);
        await choose("useStartTls", "true");
        is(await value("port"), ports[1], `${transport}, Use Start Tls: ${ports[1]}`);
        await choose("useSsl", "true");
        is([await value("port"), await value("useStartTls")], [ports[2], "false"], `${transport}, Use Ssl: ${ports[2]}`);
        await save();
        is(await account("inbox").then((a) => [a.transport, String(a.port)]), [transport, ports[2]], `${transport}: saved`);
        await choose("useSsl", "false");
    }
    await button("Refresh").click();
    await dialog.getByRole("button", { name: "Discard and refresh" }).click();
    await dialog.waitFor({ state: "detached" });
    is(await footer(), "No changes", "Refresh asks, then takes what is stored");
}

async function refusals() {
    await goTo(page, "#/accounts/alerts", '[data-property="port"]');
    await editor("port").fill("70000");
    await editor("hostname").fill("two words");
    await save(false);
    await row("port").locator(".error").waitFor();
    is(await editor("port").getAttribute("aria-invalid"), "true", "a port out of range is marked at its row");
    ok((await footer()).startsWith("Not saved"), "and nothing was saved");
    await editor("port").fill("0");
    await save(false);
    await row("hostname").locator(".error").waitFor();
    ok(await row("port").locator(".error").isVisible(), "the server's refusals stand at their rows, all at once");
    await shot(page, "refused");
    await editor("hostname").fill("localhost");
    is(await row("hostname").locator(".error").count(), 0, "a refusal goes when its row is edited");
    await editor("port").fill(String(stack.smtp.starttls));
    await choose("useStartTls", "true");
    await row("emailAuthenticator").locator("summary").click();
    await page.locator('[data-property="username"] input').fill(stack.user);
    await page.locator('[data-property="password"] input').fill(stack.userPassword);
    await page.keyboard.press("Control+s");
    await notice("Saved");
    const stored = await account("alerts");
    is([stored.hostname, stored.port, stored.useStartTls, stored.emailAuthenticator.username, stored.emailAuthenticator.passwordSet],
        ["localhost", stack.smtp.starttls, true, stack.user, true], "saved by Ctrl+S");
    ok(!(await page.content()).includes(stack.userPassword), "the password is nowhere on the page");
    ok((await row("emailAuthenticator").locator("summary").innerText()).includes("password set"), "the summary says that it is set");
}

async function review(expected, title) {
    const port = stack.smtp.starttls;
    const entry = (await stack.api("GET", `/trust/allowed-hosts/localhost:${port}`)).json;
    is(await dialog.locator("[data-reason]").evaluateAll((all) => all.map((e) => e.dataset.reason)), expected, "every reason is there, in words");
    const shown = (await dialog.locator(".large").innerText()).replace(/\s/g, "").toLowerCase();
    is(shown, entry.certificate.sha256.replaceAll(":", "").toLowerCase(), "the fingerprint is the certificate's");
    const { sha256 } = await stack.ask({ do: "fingerprint", port: stack.smtp.tls });
    is(shown, sha256.replaceAll(":", "").toLowerCase(), "and the one that openssl prints");
    ok((await dialog.innerText()).includes("alerts"), "the accounts that would use it are named");
    const told = dialog.getByLabel("The fingerprint you were told");
    await told.fill(sha256.replace(/^../, (two) => (two === "00" ? "11" : "00")));
    await dialog.getByText("Not the same: one group differs.").waitFor();
    await told.fill(sha256);
    await dialog.getByText("The same.").waitFor();
    ok(true, "the compare box tells another from the same");
    await shot(page, title);
}

async function challenge() {
    await button("Verify").click();
    await page.locator('li[data-step="certificate"].failed').waitFor();
    is(await page.locator("li.failed").count(), 1, "verify stops at the certificate");
    ok((await page.locator("li.failed").innerText()).includes("What to do"), "with cause and remedy");
    await page.getByRole("link", { name: "1 challenge" }).waitFor();
    ok(true, "the header counts one challenge");
    await shot(page, "verify-challenged");
    await page.getByRole("button", { name: "Review the certificate…" }).click();
    await dialog.waitFor();
    is(await page.evaluate(() => document.activeElement?.textContent), "Reject", "the safe button has the focus");
    await review(["self-signed"], "challenge");
    await page.keyboard.press("Escape");
    await goTo(page, "#/accounts/alerts", '[data-property="port"]');
    await page.getByText("This server shows a certificate nobody has approved yet.").waitFor();
    await page.locator(".banner").getByRole("button", { name: "Review…" }).click();
    await dialog.getByLabel("Note").fill("compared by telephone");
    await dialog.getByRole("button", { name: "Accept this key" }).click();
    await dialog.waitFor({ state: "detached" });
    const entry = (await stack.api("GET", `/trust/allowed-hosts/localhost:${stack.smtp.starttls}`)).json;
    is([entry.approval, entry.note], ["approved", "compared by telephone"], "accepted");
    await page.getByRole("link", { name: "1 challenge" }).waitFor({ state: "detached" });
    ok(true, "and the badge is gone");
    await button("Verify").click();
    await page.getByText("Everything worked.").waitFor();
    is(await page.locator("li.failed").count(), 0, "verify goes through");
}

async function sendTest() {
    await button("Send test").click();
    await dialog.getByLabel("To").fill("nobody at all");
    await page.keyboard.press("Enter");
    await dialog.locator('[role="alert"]').waitFor();
    ok(true, "an address that is none is refused in words");
    await dialog.getByLabel("To").fill(stack.to);
    await page.keyboard.press("Enter");
    await dialog.getByText(`The server took the message to ${stack.to}.`).waitFor();
    ok(true, "the test message is sent, and the dialog sees it");
    await shot(page, "sent");
    await dialog.getByRole("button", { name: "Open in Messages" }).click();
    const message = page.locator(".message");
    await message.locator(".state").getByText("sent").waitFor();
    const subject = await message.getByRole("heading", { level: 2 }).innerText();
    ok((await stack.ask({ do: "delivered", user: "office", subject })).delivered, "and it is in the mailbox");
    await message.getByText(/^250 /).waitFor();     // the queue id may have a 250 too
    ok(true, "the list tells what the server said to the recipient");
    const raw = await page.locator(".message a[download]").getAttribute("href");
    const answer = await page.request.get(new URL(raw, stack.url).href);
    ok(answer.status() === 200 && (await answer.text()).includes(subject), "the raw message opens");
    await node("alerts").getByText("ok", { exact: true }).waitFor({ state: "attached" });
    ok(true, "the tree says ok");
}

async function changedKey() {
    await stack.ask({ do: "show", which: "signed" });
    await button("Verify").click();
    await page.locator('li[data-step="certificate"].failed').waitFor();
    await goTo(page, "#/accounts/alerts", '[data-property="port"]');
    await page.getByText("This server shows another key than the one accepted.").waitFor();
    ok(true, "the banner says that the key changed");
    await page.locator(".banner").getByRole("button", { name: "Review…" }).click();
    await dialog.getByText("Accepted before").waitFor();
    ok(await dialog.locator("tr.differs").count() >= 2, "old and new stand side by side, differences marked");
    await review(["unknown-issuer"], "changed");
    await dialog.getByRole("button", { name: "Accept this key" }).click();
    await dialog.waitFor({ state: "detached" });
    await goTo(page, "#/services/CertificateService", "tbody tr");
    await page.locator("tbody tr").getByText("accepted", { exact: true }).waitFor();
    ok(true, "Allowed Hosts lists it as accepted");
}

async function importCa() {
    await goTo(page, "#/services/CertificateService/user-trust", ".top button");
    await page.getByText("No CA of your own yet").waitFor();
    await button("Import a CA…").click();
    await dialog.getByLabel("PEM text").fill("not a certificate");
    await dialog.getByRole("button", { name: "Import" }).click();
    await dialog.locator('[role="alert"]:not(:empty)').waitFor();
    ok(true, "what is no certificate is refused in words");
    await dialog.getByLabel("PEM text").fill(stack.ca);
    await dialog.getByText(`localhost:${stack.smtp.starttls} will verify by itself.`).waitFor();
    ok(true, "what it would change is said before");
    await dialog.getByRole("button", { name: "Import" }).click();
    await page.locator("tbody").getByText("Browser Test Root").first().waitFor();
    ok(true, "the CA is in the User Trust Store");
    await goTo(page, "#/accounts/alerts", '[data-property="port"]');
    await button("Verify").click();
    await page.getByText("Everything worked.").waitFor();
    await goTo(page, "#/services/CertificateService", "tbody tr");
    await page.getByText("no longer needed").waitFor();
    ok(true, "the exemption is shown as no longer needed");
    await shot(page, "redundant");
    await page.locator("tbody tr").getByRole("button", { name: /^Delete/ }).click();
    await dialog.getByText("so mail goes on flowing").waitFor();
    await dialog.getByRole("button", { name: "Delete" }).click();
    await page.getByText("No exemptions").waitFor();
    ok(true, "and deleted");
    await goTo(page, "#/accounts/alerts", '[data-property="port"]');
    await button("Verify").click();
    await page.getByText("Everything worked.").waitFor();
    ok(true, "the connection verifies by the CA");
}

async function expired() {
    await stack.ask({ do: "show", which: "expired" });
    await button("Verify").click();
    await page.getByRole("button", { name: "Review the certificate…" }).click();
    await dialog.locator('[data-reason="expired"]').waitFor();
    await dialog.getByRole("button", { name: "Accept this key" }).click();
    await dialog.getByText("Choose a day.").waitFor();
    ok(true, "an expired certificate is accepted until a day only");
    const day = new Date(Date.now() + 200 * 86_400_000).toISOString().slice(0, 10);
    await dialog.getByLabel("Accept until").fill(day);
    await dialog.getByRole("button", { name: "Accept this key" }).click();
    await dialog.getByText(/Choose a day from tomorrow to/).waitFor();
    ok(true, "and not for longer than 90 days");
    await dialog.getByLabel("Accept until").fill(await dialog.getByLabel("Accept until").getAttribute("max"));
    await dialog.getByRole("button", { name: "Accept this key" }).click();
    await dialog.waitFor({ state: "detached" });
    const entry = (await stack.api("GET", `/trust/allowed-hosts/localhost:${stack.smtp.starttls}`)).json;
    is([entry.approval, [...entry.accepts].sort()], ["approved", ["expired", "self-signed"]], "the last of the 90 days is taken");
    await button("Verify").click();
    await page.getByText("Everything worked.").waitFor();
    ok(true, "and the connection works");
}

async function conflict() {
    await goTo(page, "#/accounts/alerts", '[data-property="port"]');
    await stack.api("PATCH", "/accounts/alerts", { description: "by somebody else" });
    await page.waitForFunction(() => document.querySelector("[data-property=description] textarea").value === "by somebody else");
    ok(true, "what somebody else saves shows at once where nothing was typed");
    await editor("description").fill("mine");
    await stack.api("PATCH", "/accounts/alerts", { description: "theirs", connectionTimeout: 20 });
    await save(false);
    await page.getByText("saved this while you were editing.").waitFor();
    ok((await row("description").innerText()).includes("Theirs: theirs"), "a conflict shows both values");
    is([await value("description"), await value("connectionTimeout")], ["mine", "20"], "mine stays, theirs is taken where I changed nothing");
    await save();
    is(await account("alerts").then((a) => [a.description, a.connectionTimeout]), ["mine", 20], "Save keeps mine");
}

async function away() {
    await editor("description").fill("typed while away");
    await stack.ask({ do: "stop" });
    await page.getByText("What you typed is kept").waitFor();
    ok(true, "a server that is away is said calmly");
    await button("Save").click();
    await notice("The server doesn't answer.");
    await stack.ask({ do: "start" });
    await page.getByText("What you typed is kept").waitFor({ state: "detached" });
    ok(true, "and it goes on by itself");
    const again = dialog.getByLabel("Password");
    if (await again.isVisible()) {
        await again.fill(stack.password);
        await dialog.getByRole("button", { name: "Log in" }).click();
        await dialog.waitFor({ state: "detached" });
    }
    is(await value("description"), "typed while away", "nothing typed is lost");
    await save();
    is((await account("alerts")).description, "typed while away", "and it can be saved");
}

async function sessionEnds() {
    await editor("description").fill("typed before the end");
    await page.context().clearCookies();
    await dialog.getByText("Your session has ended.").waitFor();
    ok(true, "an ended session is said, over the page");
    await dialog.getByLabel("Password").fill(stack.password);
    await dialog.getByRole("button", { name: "Log in" }).click();
    await dialog.waitFor({ state: "detached" });
    is(await value("description"), "typed before the end", "and nothing typed is lost");
    await save();
}

async function keyboardAlone() {
    await page.keyboard.press("Escape");
    await page.evaluate(() => document.activeElement?.blur());
    await page.keyboard.press("/");
    await page.keyboard.type("inb");
    is(await page.getByRole("treeitem").count(), 4, "the filter leaves the account and what it is under");
    await page.keyboard.press("ArrowDown");
    for (const step of ["End", "Enter"])
        await page.keyboard.press(step);
    await page.getByRole("heading", { level: 1, name: "inbox" }).waitFor();
    ok(true, "slash, arrows and Enter open an account");
    await page.keyboard.press("ContextMenu");
    await page.getByRole("menu").waitFor();
    await page.keyboard.press("ArrowRight");
    await page.getByRole("menuitem", { name: "Diagnostics" }).waitFor();
    ok(true, "the menu key opens its menu, the right arrow its views");
    await page.keyboard.press("Escape");
    await page.waitForFunction(() => !document.querySelector("[role=menu]"));
    await page.keyboard.press("?");
    await dialog.getByText("Walk the tree").waitFor();
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "detached" });
    ok(true, "the question mark lists the keys");
}

async function remove() {
    await page.getByRole("searchbox").fill("");
    await node("inbox").click({ button: "right" });
    await page.getByRole("menuitem", { name: "Delete…" }).click();
    await dialog.getByText("are lost").waitFor();
    await dialog.getByRole("button", { name: "Delete" }).click();
    await node("inbox").waitFor({ state: "detached" });
    is((await stack.api("GET", "/accounts/inbox")).status, 404, "Delete says what is lost, and deletes");
}

async function logOut() {
    await page.getByRole("button", { name: "Logged in as admin" }).click();
    await page.getByRole("menuitem", { name: "Log out", exact: true }).click();
    await page.getByLabel("Username").waitFor();
    ok(true, "logged out");
}

try {
    await story(page, logInFirst, newAccount, portsOfSmtp, portsOfIncoming, refusals, challenge, sendTest, changedKey, importCa, expired, conflict, away, sessionEnds, keyboardAlone, remove, logOut);
    if (!is(faults, [], "no console error, no CSP message, no request to another origin"))
        diag(faults.join("\n"));
} finally {
    await browser.close();
    is(await stack.stop(), 0, "postern and the servers ended as they should");
}
done();
