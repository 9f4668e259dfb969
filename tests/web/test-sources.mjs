// SPDX-License-Identifier: Apache-2.0
// tests/run: timeout=240
// The sources keep their promises: types hold, nothing unsafe is written, the bundle is small and the same every time.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { diag, done, is, load, ok, top } from "./lib.mjs";

load("svelte/compiler");                    /* skips all where the modules aren't installed */
const web = join(top, "web");
const limit = 150 * 1024;                   /* compressed, on the first load */

function run(...command) {
    try {
        return { code: 0, text: execFileSync(process.execPath, command, { cwd: web, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }) };
    } catch (error) {
        return { code: error.status ?? -1, text: `${error.stdout}${error.stderr}` };
    }
}

const check = run("node_modules/svelte-check/bin/svelte-check", "--tsconfig", "./tsconfig.json", "--fail-on-warnings", "--output", "human");
if (!is(check.code, 0, "svelte-check has nothing to say"))
    diag(check.text);

const files = readdirSync(join(web, "src"), { recursive: true, withFileTypes: true }).filter((f) => f.isFile())
    .map((f) => ({ name: f.name, text: readFileSync(join(f.parentPath ?? f.path, f.name), "utf8") }));
const naming = (pattern) => files.filter((f) => pattern.test(f.text)).map((f) => f.name);
is(naming(/\{@html/), [], "text goes in as text: no {@html}");
is(naming(/\sstyle="/), [], "no inline style attribute");
is(naming(/\bon[a-z]+="/), [], "no inline handler");
is(naming(/https?:\/\//), [], "no address of another host");
is(files.filter((f) => !f.text.slice(0, 200).includes("SPDX-License-Identifier: Apache-2.0")).map((f) => f.name), [], "every file names its licence");

const lock = readFileSync(join(web, "package-lock.json"), "utf8");
ok(!/"resolved"|registry/.test(lock), "the lock file names no registry");
const wanted = JSON.parse(readFileSync(join(web, "package.json"), "utf8"));
is(Object.values({ ...wanted.dependencies, ...wanted.devDependencies }).filter((v) => !/^\d+\.\d+\.\d+$/.test(v)), [], "every version is exact");

const out = mkdtempSync(join(tmpdir(), "postern-web-"));
try {
    const built = ["one", "two"].map((name) => run("build.mjs", "--quiet", "--out", join(out, `${name}.c`), "--dir", join(out, name)));
    if (!is(built.map((b) => b.code), [0, 0], "it builds"))
        diag(built[0].text);
    ok(readFileSync(join(out, "one.c")).equals(readFileSync(join(out, "two.c"))), "two builds are the same, byte for byte");
    const c = readFileSync(join(out, "one.c"), "utf8");
    ok(!c.includes(top) && !readFileSync(join(out, "one", "licences.txt"), "utf8").includes(top), "no path of this machine in it");
    const page = readFileSync(join(out, "one", "index.html"), "utf8");
    /* What the page names itself; the other parts come when they are looked at. */
    const pages = ["index.html", ...[...page.matchAll(/(?:href|src)="\/([^"]+)"/g)].map((m) => m[1])];
    const size = (squeeze) => pages.reduce((sum, name) => sum + squeeze(readFileSync(join(out, "one", name))).length, 0);
    ok(size(gzipSync) < limit, `the first load is ${(size(gzipSync) / 1024).toFixed(1)} KiB with gzip, ${(size(brotliCompressSync) / 1024).toFixed(1)} with brotli`);
    ok(!/<script(?![^>]*\ssrc=)|<style|\sstyle=/.test(page), "the start page has no inline script or style");
} finally {
    rmSync(out, { recursive: true, force: true });
}

done();
