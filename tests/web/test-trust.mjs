// SPDX-License-Identifier: Apache-2.0
// tests/run: timeout=300 jobs=2
// Certificates in the browser: the issuer that the server sent, imported instead of an exemption; stores, formats, limits, and
// what each step would change; reject; a name that is another's.
import { writeFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { accessible, diag, done, goTo, is, logIn, ok, openPage, shot, startBrowser, startStack, story } from "./lib.mjs";

const browser = await startBrowser();
const stack = await startStack();
const { page, faults } = await openPage(browser, stack.url);
const folder = mkdtempSync(join(tmpdir(), "postern-web-"));

const dialog = page.locator("dialog[open]");
const closed = () => dialog.waitFor({ state: "detached" });
const button = (name) => page.getByRole("button", { name, exact: true });
const notice = (text) => page.locator(".notice").getByText(text).waitFor();
const id = `localhost:${stack.smtp.starttls}`;
const host = async () => (await stack.api("GET", `/trust/allowed-hosts/${id}`)).json;
const state = async () => (await stack.api("GET", "/accounts/alerts/status")).json.status.state;

async function verify(good) {
    await goTo(page, "#/accounts/alerts", "[data-property=port]");
    await button("Verify").click();
    await page.getByText(good ? "Everything worked." : "It stopped at: Certificate.").waitFor();
}

async function rejected() {
    await stack.api("POST", "/accounts", { name: "alerts", type: "OutgoingAccount", hostname: "localhost", port: stack.smtp.starttls, useStartTls: true,
        emailAuthenticator: { type: "basic", username: stack.user, password: stack.userPassword } });
    await logIn(page, stack);
    await verify(false);
    await button("Review the certificate…").click();
    await dialog.getByRole("button", { name: "Reject" }).click();
    await closed();
    is((await host()).approval, "rejected", "rejected");
    await goTo(page, "#/accounts/alerts", "[data-property=port]");
    await page.getByText("The certificate of this server was rejected. Nothing is sent to it.").waitFor();
    await accessible(page, "an account whose certificate was rejected");
    ok(true, "and the account says so");
    await page.getByRole("link", { name: "challenge" }).waitFor({ state: "detached" });
    ok(true, "nobody is asked any more");
    await goTo(page, "#/services/CertificateService", "tbody tr");
    await page.locator("tbody tr").getByText("rejected").waitFor();
    await page.getByRole("button", { name: /^Review/ }).click();
    await dialog.getByRole("button", { name: "Accept this key" }).waitFor();
    ok(true, "a rejection can be thought over");
    await page.keyboard.press("Escape");
    await closed();
    await page.getByRole("button", { name: /^Delete/ }).click();
    await dialog.getByRole("button", { name: "Delete" }).click();
    // The account tries again at once and is asked anew, so the list need not stay empty.
    await page.locator("tbody tr").getByText("rejected").waitFor({ state: "detached" });
}

async function issuerInstead() {
    await stack.ask({ do: "show", which: "chained" });
    await verify(false);
    await button("Review the certificate…").click();
    await dialog.getByText("Trust Browser Test Root instead").waitFor();
    is(await dialog.locator("summary").count(), 2, "the chain: the server and the root that it sent");
    await accessible(page, "a challenge with its issuer");
    await shot(page, "issuer");
    await dialog.getByRole("button", { name: "See what that would change…" }).click();
    await dialog.getByText(`${id} will verify by itself.`).waitFor();
    ok(true, "what trusting it would change is said before");
    is(await page.evaluate(() => document.activeElement.textContent), "Cancel", "and the safe button has the focus");
    await accessible(page, "the issuer instead");
    await shot(page, "issuer-import");
    await dialog.getByRole("button", { name: "Import" }).click();
    await closed();
    await page.getByRole("link", { name: "challenge" }).waitFor({ state: "detached" });
    await verify(true);
    is(await state(), "ok", "the issuer is trusted, and the connection verifies without an exemption");
}

async function stores() {
    await goTo(page, "#/services/CertificateService/user-trust", "tbody tr");
    await button("Browser Test Root").click();
    await dialog.getByLabel("The fingerprint you were told").fill("00");
    await dialog.getByText("Not the same").waitFor();
    await accessible(page, "a certificate of a store");
    const saved = page.waitForEvent("download");
    await dialog.getByRole("button", { name: "Save as PEM" }).click();
    is((await saved).suggestedFilename(), "Browser-Test-Root.pem", "a certificate is saved under its name");
    await page.keyboard.press("Escape");
    await closed();
    await page.getByRole("button", { name: "Limit… Browser Test Root" }).click();
    await dialog.getByLabel("Only for these hosts").fill("plant.example\nexample.test");
    await dialog.getByRole("button", { name: "Save" }).click();
    await notice("vouches for");
    await page.getByText("only for plant.example and example.test").waitFor();
    await verify(false);
    ok(true, "limited to other hosts, it vouches for this one no more");
    await goTo(page, "#/services/CertificateService/user-trust", "tbody tr");
    await page.getByRole("button", { name: "Limit… Browser Test Root" }).click();
    await dialog.getByLabel("Only for these hosts").fill("");
    await dialog.getByRole("button", { name: "Save" }).click();
    await notice("may vouch for any host");
    await verify(true);
    await goTo(page, "#/services/CertificateService/user-trust", "tbody tr");
    await page.getByRole("button", { name: "Delete Browser Test Root" }).click();
    await dialog.getByText(`${id} will not verify any more.`).waitFor();
    await accessible(page, "what deleting a CA would change");
    await dialog.getByRole("button", { name: "Delete" }).click();
    await page.getByText("No CA of your own yet").waitFor();
    ok(true, "deleting says what would change, and deletes");
    await goTo(page, "#/services/CertificateService/system-trust", "tbody tr");
    const roots = await page.locator("tbody tr").count();
    ok(roots > 50, `the System Trust Store lists the roots (${roots})`);
    await page.getByRole("searchbox", { name: "Find a certificate" }).fill("letsencrypt isrg");
    await page.getByRole("searchbox", { name: "Find a certificate" }).fill("isrg root x1");
    await button("ISRG Root X1").click();
    await dialog.getByText("SHA-256").first().waitFor();
    await page.keyboard.press("Escape");
    await closed();
    ok(true, "one of them, found and looked at");
}

async function formats() {
    const der = join(folder, "root.cer"), bundle = join(folder, "both.pem"), nonsense = join(folder, "nonsense.der");
    writeFileSync(der, Buffer.from(stack.caDer, "base64"));
    writeFileSync(bundle, stack.ca + stack.secondCa);
    writeFileSync(nonsense, "this is no certificate");
    await goTo(page, "#/services/CertificateService/user-trust", ".top button");
    await button("Import a CA…").click();
    await dialog.getByLabel("or a file").setInputFiles(nonsense);
    await dialog.locator('[role="alert"]:not(:empty)').waitFor();
    ok(true, "a file that is no certificate is refused in words, before anything is imported");
    await dialog.getByLabel("or a file").setInputFiles(der);
    await dialog.getByText("Browser Test Root").first().waitFor();
    is((await dialog.locator('[role="alert"]').innerText()).trim(), "", "and forgotten with the next");
    ok(true, "DER is read");
    await dialog.getByRole("button", { name: "Import" }).click();
    await closed();
    await button("Import a CA…").click();
    await dialog.getByLabel("or a file").setInputFiles(bundle);
    await dialog.getByText("there already").waitFor();
    await dialog.getByText("Second Site Root").first().waitFor();
    await shot(page, "bundle");
    await dialog.getByRole("button", { name: "Import" }).click();
    await closed();
    await button("Second Site Root").waitFor();
    is((await page.locator("tbody tr").count()), 2, "of a bundle what is new");
    ok(/19 days left|20 days left/.test(await page.locator("tbody tr").filter({ hasText: "Second Site Root" }).innerText()), "and how long it holds");
    await button("Import a CA…").click();
    await dialog.getByLabel("PEM text").fill(stack.ca);
    await dialog.getByText("No host that was seen so far would be judged otherwise.").waitFor();
    await dialog.getByRole("button", { name: "Import" }).click();
    await notice("It was there already; nothing changed.");
    await stack.api("POST", "/accounts/alerts/actions/verify", {});
    const own = (await host()).certificate?.pem;
    await button("Import a CA…").click();
    await dialog.getByLabel("PEM text").fill(own ?? "");
    await dialog.getByText(/not a CA|Allowed Hosts/).first().waitFor();
    ok(true, "a server's certificate is no CA, and the way to Allowed Hosts is shown");
    await page.keyboard.press("Escape");
    await closed();
}

async function anotherName() {
    await stack.ask({ do: "show", which: "other-name" });
    await verify(false);
    await button("Review the certificate…").click();
    await dialog.locator("[data-reason]").first().waitFor();
    is(await dialog.locator("[data-reason]").evaluateAll((all) => all.map((e) => e.dataset.reason).sort()), ["name-mismatch", "self-signed"], "two reasons, both told");
    await dialog.getByText("mail.other.example").first().waitFor();
    ok(true, "with the names that are in it");
    await shot(page, "two-reasons");
    await page.keyboard.press("Escape");
    await closed();
    await goTo(page, "#/", ".verdict");
    await page.getByRole("main").getByRole("button", { name: "Review…" }).first().click();
    await dialog.getByText("Why", { exact: true }).waitFor();
    ok(true, "the first page leads to the decision");
    await page.keyboard.press("Escape");
    await closed();
}

async function keys() {
    await goTo(page, "#/services/CertificateService/keys", ".top");
    await page.getByText("No keys of your own").waitFor();
    await button("New key pair…").click();
    await dialog.getByLabel("Name", { exact: true }).fill("web");
    await dialog.getByLabel("Valid for, days").fill("99999");
    await dialog.getByRole("button", { name: "Create" }).click();
    await dialog.locator('[role="alert"]:not(:empty)').waitFor();
    await accessible(page, "a new key pair, refused");
    await dialog.getByLabel("Valid for, days").fill("400");
    await dialog.getByRole("button", { name: "Create" }).click();
    await closed();
    await button("web").waitFor();
    ok(/399 days left|400 days left/.test(await page.locator("tbody tr").innerText()), "a key pair is made, and says how long its certificate holds");
    const menu = async (name) => {
        await page.getByRole("button", { name: "Menu of web" }).click();
        await page.getByRole("menuitem", { name }).click();
    };
    await menu("Request for a CA…");
    await dialog.getByRole("button", { name: "Make the request" }).click();
    await dialog.getByText("CERTIFICATE REQUEST-----").first().waitFor();
    ok(true, "a request for a CA");
    await accessible(page, "a certificate request");
    await page.keyboard.press("Escape");
    await closed();
    await menu("Certificate from a CA…");
    await dialog.getByLabel("PEM text").fill(stack.ca);
    await dialog.getByRole("button", { name: "Save" }).click();
    await dialog.locator('[role="alert"]:not(:empty)').waitFor();
    ok(true, "a certificate of another key is refused in words");
    await page.keyboard.press("Escape");
    await closed();
    await menu("Export…");
    await dialog.getByLabel("Passphrase, at least 12 characters").fill("short");
    await dialog.getByLabel("Passphrase again").fill("short");
    await dialog.getByRole("button", { name: "Export" }).click();
    await dialog.locator('[role="alert"]:not(:empty)').waitFor();
    for (const label of ["Passphrase, at least 12 characters", "Passphrase again"])
        await dialog.getByLabel(label).fill("a passphrase to keep");
    const exported = page.waitForEvent("download");
    await dialog.getByRole("button", { name: "Export" }).click();
    const path = join(folder, "web.p12");
    await (await exported).saveAs(path);
    await closed();
    await stack.api("PATCH", "/services/WebService", { httpsKey: "web" });
    await page.getByRole("link", { name: "WebService" }).nth(0).waitFor();
    await menu("Delete…");
    await dialog.locator('[role="alert"]').waitFor();
    ok(await dialog.getByRole("button", { name: "Delete" }).isDisabled(), "what is in use can't be deleted, and that is said before");
    await page.keyboard.press("Escape");
    await closed();
    await stack.api("PATCH", "/services/WebService", { httpsKey: "" });
    await menu("Delete…");
    await dialog.getByText("The private key is lost.").waitFor();
    await dialog.getByRole("button", { name: "Delete" }).click();
    await page.getByText("No keys of your own").waitFor();
    await button("Import a key pair…").click();
    await dialog.getByLabel("File", { exact: true }).setInputFiles(path);
    await dialog.getByLabel("Passphrase of the file").fill("not that one");
    await dialog.getByRole("button", { name: "Import" }).click();
    await dialog.locator('[role="alert"]:not(:empty)').waitFor();
    await dialog.getByLabel("Passphrase of the file").fill("a passphrase to keep");
    await dialog.getByRole("button", { name: "Import" }).click();
    await closed();
    await button("web").waitFor();
    ok(true, "exported, deleted, and imported again, with its passphrase alone");
    await accessible(page, "the User Key Store");
    await shot(page, "keys");
}

try {
    await story(page, rejected, issuerInstead, stores, formats, anotherName, keys);
    if (!is(faults, [], "no console error, no CSP message, no request to another origin"))
        diag(faults.join("\n"));
} finally {
    await browser.close();
    rmSync(folder, { recursive: true, force: true });
    is(await stack.stop(), 0, "postern and the servers ended as they should");
}
done();
