// SPDX-License-Identifier: Apache-2.0
// tests/run: timeout=500 jobs=2
// Every view by axe, light, dark and narrow, and none of them with a fault in the console.
import { accessible, diag, done, goTo, is, logIn, ok, openPage, shot, startBrowser, startStack, story } from "./lib.mjs";

const browser = await startBrowser();
const stack = await startStack();
const login = { type: "basic", username: stack.user, password: stack.userPassword };

async function prepare() {
    const make = (account) => stack.api("POST", "/accounts", { type: "OutgoingAccount", hostname: "localhost", emailAuthenticator: login, ...account });
    await make({ name: "alerts", port: stack.smtp.starttls, useStartTls: true });
    await make({ name: "reports", port: stack.smtp.tls, useSsl: true });
    await make({ name: "nobody", hostname: "" });
    await make({ name: "asleep", enabled: false });
    await make({ name: "inbox", type: "IncomingAccount", transport: "imap", port: stack.imap.imaps, useSsl: true });
    for (const name of ["alerts", "reports"])
        await stack.api("POST", `/accounts/${name}/actions/verify`, {});
    const id = `localhost:${stack.smtp.tls}`;
    const { json } = await stack.api("GET", `/trust/allowed-hosts/${id}`);
    await stack.api("POST", `/trust/allowed-hosts/${id}/actions/approve`, { sha256: json.certificate.sha256 });
    await stack.api("POST", "/tokens", { name: "robot", role: "operator", accounts: ["alerts"], expiresAt: new Date(Date.now() + 864e6).toISOString() });
    const message = { from: "plant@example.test", subject: "Boiler 3", text: "Pressure high." };
    await stack.api("POST", "/accounts/reports/messages", { ...message, to: [stack.to, "unknown@example.test"] });
    await stack.api("POST", "/accounts/alerts/messages", { ...message, to: [stack.to] });
}

const views = [
    ["station", "#/", ".verdict"],
    ["accounts", "#/services/EmailService", "tbody tr"],
    ["all-messages", "#/services/EmailService/messages", "tbody tr"],
    ["email-sheet", "#/services/EmailService/sheet", "[data-property]"],
    ["account", "#/accounts/alerts", "[data-property=port]"],
    ["fault", "#/accounts/nobody", "[data-property=port]"],
    ["messages", "#/accounts/reports/messages", "tbody tr"],
    ["no-messages", "#/accounts/nobody/messages", ".empty"],
    ["diagnostics-empty", "#/accounts/alerts/diagnostics", "#diagnostics"],
    ["transcript", "#/accounts/alerts/log", "main .view > *", ".debug"],
    ["allowed-hosts", "#/services/CertificateService", "tbody tr"],
    ["user-trust", "#/services/CertificateService/user-trust", ".top"],
    ["system-trust", "#/services/CertificateService/system-trust", "tbody tr"],
    ["keys", "#/services/CertificateService/keys", ".empty"],
    ["certificates-sheet", "#/services/CertificateService/sheet", "[data-property]"],
    ["web-service", "#/services/WebService", "[data-property]"],
    ["users", "#/services/UserService", "main .view > *", "tbody tr"],
    ["tokens", "#/services/UserService/tokens", "main .view > *", "tbody tr"],
    ["user-service", "#/services/UserService/sheet", "[data-property]"],
    ["user", "#/users/admin", "main .view > *", "[data-property]"],
    ["logs", "#/logs", "main .view > *", "tbody tr"],
    ["configuration", "#/config", "main h1", "main input[type=file]"],
    ["unknown", "#/nowhere", "h1"],
];

async function walk(mode, options) {
    const { page, faults, context } = await openPage(browser, stack.url, options);
    const look = async (name) => {
        await shot(page, `${mode}-${name}`);
        await accessible(page, `${mode}, ${name}`);
    };
    const dialog = page.locator("dialog[open]");
    const close = async () => {
        await page.keyboard.press("Escape");
        await dialog.waitFor({ state: "detached" });
    };

    async function gate() {
        await page.getByLabel("Username").waitFor();
        await look("log-in");
        await logIn(page, stack);
    }
    async function pages() {
        for (const [name, hash, selector, own] of views) {
            await goTo(page, hash, own ?? selector);
            await look(name);
        }
    }
    async function edited() {
        await goTo(page, "#/accounts/alerts", "[data-property=port]");
        await page.locator("[data-property=useSsl] select").selectOption("true");
        await page.locator("[data-property=emailAuthenticator] summary").click();
        await page.locator("[data-property=port] input").fill("0");
        await page.getByRole("button", { name: "Save" }).click();
        await page.locator("[data-property=port] .error").waitFor();
        await look("edited");
        await page.locator("[data-property=port] input").press("Escape");
        await page.locator("[data-property=useSsl] select").selectOption("false");
        await page.locator("[data-property=useStartTls] select").selectOption("true");
    }
    async function decisions() {
        await page.getByRole("button", { name: "Verify", exact: true }).click();
        await page.locator("li.failed").waitFor();
        await look("diagnostics");
        await page.getByRole("button", { name: "Review the certificate…" }).click();
        await dialog.waitFor();
        await look("challenge");
        await dialog.getByLabel("The fingerprint you were told").fill("00 11 22");
        await dialog.locator("div.body").evaluate((body) => body.scrollTo(0, body.scrollHeight));
        await look("challenge-end");
        await close();
    }
    async function dialogs() {
        await goTo(page, "#/services/EmailService", "tbody tr");
        await page.getByRole("button", { name: "New account", exact: true }).click();
        await look("new-account");
        await close();
        await goTo(page, "#/services/CertificateService/user-trust", ".top button");
        await page.locator(".top button").click();
        await look("import");
        await close();
        await goTo(page, "#/accounts/reports", "[data-property=port]");
        await page.getByRole("button", { name: "Send test" }).click();
        await look("send-test");
        await close();
        await page.getByRole("button", { name: "More actions" }).click();
        await page.getByRole("menu").waitFor();
        await look("menu");
        await page.keyboard.press("Escape");
        await goTo(page, "#/accounts/reports/messages", "tbody tr");
        await page.locator("tbody a").first().click();
        await page.locator(".message dl").waitFor();
        await look("message");
    }

    await story(page, gate, pages, edited, decisions, dialogs);
    if (!is(faults, [], `${mode}: no console error, no CSP message, no request to another origin`))
        diag(faults.join("\n"));
    await context.close();
}

/* Who may only look sees everything and is offered nothing; a one-time password is for once. */
async function viewer() {
    await stack.api("POST", "/users", { name: "eye", role: "viewer", password: "not for long, this one" });
    const { text: first } = await stack.ask({ do: "run", arguments: ["user", "reset-password", "eye"] });
    const { page, faults, context } = await openPage(browser, stack.url);

    async function oneTimePassword() {
        await page.getByLabel("Username").fill("eye");
        await page.getByLabel("Password").fill(first);
        await page.getByRole("button", { name: "Log in" }).click();
        await page.getByText("Choose a new password").waitFor();
        await accessible(page, "new password");
        const set = async (next, again) => {
            await page.getByLabel("Present password").fill(first);
            await page.getByLabel("New password", { exact: true }).fill(next);
            await page.getByLabel("New password again").fill(again);
            await page.getByRole("button", { name: "Set the password" }).click();
        };
        await set("one long sentence", "another long sentence");
        await page.getByText("The two are not the same.").waitFor();
        await set("short", "short");
        await page.locator('[role="alert"]:not(:empty)').getByText("10").waitFor();
        ok(true, "a password that is too short is refused in words");
        await set("one long sentence", "one long sentence");
        await page.locator("#main").waitFor();
        ok(true, "the new password opens the page");
    }
    async function looksOnly() {
        await goTo(page, "#/accounts/alerts", "[data-property=port]");
        await page.locator(".banner").getByRole("button", { name: "Review…" }).waitFor();
        is(await page.locator("[data-property] :is(input, select, textarea):enabled").count(), 0, "a viewer edits nothing");
        is(await page.getByRole("button", { name: /^(Save|Verify|Send test|More actions|New account|OutgoingAccount)$/ }).count(), 0, "and is offered no action");
        await page.locator(".banner").getByRole("button", { name: "Review…" }).click();
        const dialog = page.locator("dialog[open]");
        await dialog.getByText("An administrator decides about certificates.").waitFor();
        is(await dialog.getByRole("button", { name: /Accept|Reject/ }).count(), 0, "nor a decision");
        await accessible(page, "a viewer's challenge");
        await page.keyboard.press("Escape");
        for (const [name, hash] of views) {
            await goTo(page, hash, "h1");
            await shot(page, `viewer-${name}`);
        }
    }
    await story(page, oneTimePassword, looksOnly);
    if (!is(faults, [], "viewer: no console error, no CSP message, no request to another origin"))
        diag(faults.join("\n"));
    await context.close();
}

try {
    await prepare();
    await walk("light", { colorScheme: "light" });
    await walk("dark", { colorScheme: "dark" });
    await viewer();
    await walk("narrow", { colorScheme: "light", viewport: { width: 420, height: 860 } });
} finally {
    await browser.close();
    is(await stack.stop(), 0, "postern and the servers ended as they should");
}
done();
