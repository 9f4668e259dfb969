// SPDX-License-Identifier: Apache-2.0
// Bundles the workbench and writes it as one C file, every page file plain, gzipped and as brotli.
//
//   node build.mjs --out FILE.c [--dir DIRECTORY] [--modules DIRECTORY] [--dev] [--quiet]
//
// --dir also writes the files as they are, to be looked at or served by hand; --modules says where node_modules is
// when it isn't beside this file. The output depends on the sources and the lock file only: no times, no paths.
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const here = dirname(fileURLToPath(import.meta.url));
const { values: options } = parseArgs({
    options: {
        out: { type: "string" },
        dir: { type: "string" },
        modules: { type: "string", default: join(here, "node_modules") },
        dev: { type: "boolean", default: false },
        quiet: { type: "boolean", default: false },
    },
});
const modules = resolve(options.modules);
const load = createRequire(join(modules, "anchor.js"));
const esbuild = load("esbuild");
const { compile, compileModule } = load("svelte/compiler");

const targets = ["chrome123", "firefox120", "safari17.5"];

const types = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".map": "application/json",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".woff2": "font/woff2",
};

/* Class names that depend on the file's place in the sources, not on the machine. */
function scope({ filename, hash }) {
    return `s-${hash(relative(here, resolve(here, filename)))}`;
}

function report(warnings, path) {
    return warnings.map((w) => ({
        text: w.message,
        location: w.start && { file: relative(here, path), line: w.start.line, column: w.start.column },
    }));
}

/* Components and the modules that use runes; their styles are gathered in `styles`, since the CSP wants them in a file. */
function svelte(styles) {
    return {
        name: "svelte",
        setup(build) {
            build.onLoad({ filter: /\.svelte$/ }, ({ path }) => {
                const source = readFileSync(path, "utf8");
                const out = compile(source, {
                    filename: path, rootDir: here, css: "external", dev: options.dev, cssHash: scope,
                    discloseVersion: false,
                });
                const own = path.startsWith(join(here, "src"));
                if (out.css?.code)
                    styles.set(relative(here, path), out.css.code);
                return { contents: out.js.code, loader: "ts", resolveDir: dirname(path), warnings: own ? report(out.warnings, path) : [] };
            });
            build.onLoad({ filter: /\.svelte\.(js|ts)$/ }, async ({ path }) => {
                const source = await esbuild.transform(readFileSync(path, "utf8"), {
                    loader: path.endsWith(".ts") ? "ts" : "js", target: "esnext",
                    tsconfigRaw: { compilerOptions: { verbatimModuleSyntax: true } },
                });
                const out = compileModule(source.code, { filename: path, rootDir: here, dev: options.dev });
                return { contents: out.js.code, loader: "js", resolveDir: dirname(path) };
            });
        },
    };
}

const part = /chunk-[A-Z0-9]{8}\.js/g;

function hash(text) {
    return createHash("sha256").update(text).digest("hex").slice(0, 12);
}

/* esbuild's own hashes would cover the folder that it is built in, and parts name each other: all of them get one hash, which is
 * that of everything. */
function namedScripts(outputs) {
    const masked = outputs.map(({ path, text }) => ({ name: basename(path), text, order: text.replace(part, "chunk") }));
    masked.sort((a, b) => (a.name === "app.js" ? -1 : b.name === "app.js" ? 1 : a.order < b.order ? -1 : 1));
    const numbers = new Map(masked.map(({ name }, at) => [name, at]));
    const whole = hash(masked.map(({ text }) => text.replace(part, (name) => `chunk-${numbers.get(name)}`)).join("\n"));
    const named = (name) => name === "app.js" ? `app-${whole}.js` : `part${numbers.get(name)}-${whole}.js`;
    return masked.map(({ name, text }) => ({
        old: name, path: `/assets/${named(name)}`, body: Buffer.from(text.replace(part, named)), immutable: true,
    }));
}

/* What the first page needs before it can do anything: the entry and all that it imports at once. */
function firstParts(metafile) {
    const found = new Set();
    const visit = (path) => {
        if (found.has(path))
            return;
        found.add(path);
        for (const i of metafile.outputs[path].imports)
            if (i.kind === "import-statement")
                visit(i.path);
    };
    visit(Object.keys(metafile.outputs).find((path) => basename(path) === "app.js"));
    return new Set([...found].map((path) => basename(path)));
}

async function styleSheet(styles) {
    const parts = [readFileSync(join(here, "src/app.css"), "utf8"), ...[...styles.keys()].sort().map((path) => styles.get(path))];
    const { code } = await esbuild.transform(parts.join("\n"), { loader: "css", minify: !options.dev, target: targets, legalComments: "none" });
    return { path: `/assets/app-${hash(code)}.css`, body: Buffer.from(code), immutable: true };
}

async function bundle() {
    const styles = new Map();
    const result = await esbuild.build({
        absWorkingDir: here,
        entryPoints: { app: "src/main.ts" },
        outdir: "assets",
        write: false,
        metafile: true,
        bundle: true,
        splitting: true,
        minify: !options.dev,
        format: "esm",
        target: targets,
        conditions: ["svelte", "browser", options.dev ? "development" : "production"],
        mainFields: ["svelte", "browser", "module", "main"],
        nodePaths: [modules],
        entryNames: "[name]",
        chunkNames: "chunk-[hash]",
        legalComments: "none",
        define: { "process.env.NODE_ENV": options.dev ? '"development"' : '"production"' },
        sourcemap: options.dev ? "inline" : false,
        plugins: [svelte(styles)],
        logLevel: "warning",
    });
    if (result.warnings.length > 0)
        process.exit(1);
    const scripts = namedScripts(result.outputFiles);
    const first = firstParts(result.metafile);
    return {
        inputs: Object.keys(result.metafile.inputs),
        outputs: [...scripts, await styleSheet(styles)],
        first: scripts.filter(({ old }) => first.has(old)).map(({ path }) => path),
    };
}

function extension(path) {
    return path.slice(path.lastIndexOf("."));
}

/* The start page, with the names that the bundle got. */
function startPage({ outputs, first: [script, ...parts] }) {
    const page = readFileSync(join(here, "src/index.html"), "utf8")
        .replace("%STYLE%", outputs.find((f) => extension(f.path) === ".css").path).replace("%SCRIPT%", script)
        .replace("%PARTS%", parts.map((path) => `<link rel="modulepreload" href="${path}">`).join("\n    "));
    return { path: "/", body: Buffer.from(page), immutable: false, type: types[".html"] };
}

function publicFiles() {
    return readdirSync(join(here, "public")).sort().map((name) => ({
        path: `/${name}`, body: readFileSync(join(here, "public", name)), immutable: false,
    }));
}

/* The licences of what is inside the bundle, as they ask for: the packages that gave it a file. */
function licences(inputs) {
    const names = new Set();
    for (const input of inputs) {
        const found = /(?:^|\/)node_modules\/((?:@[^/]+\/)?[^/]+)\/(?!.*\/node_modules\/)/.exec(input);
        if (found)
            names.add(found[1]);
    }
    const parts = [...names].sort().map((name) => {
        const dir = join(modules, name);
        const { version, license } = JSON.parse(readFileSync(join(dir, "package.json"), "utf8"));
        const file = readdirSync(dir).find((n) => /^licen[cs]e/i.test(n));
        const text = file ? readFileSync(join(dir, file), "utf8").trim() : `Licence: ${license}`;
        return `${name} ${version}\n\n${text}\n`;
    });
    return { path: "/licences.txt", body: Buffer.from(parts.join(`\n${"-".repeat(72)}\n\n`)), immutable: false };
}

function bytes(name, data) {
    const lines = [];
    for (let i = 0; i < data.length; i += 24)
        lines.push(`    ${[...data.subarray(i, i + 24)].join(",")},`);
    return `static const unsigned char ${name}[] = {\n${lines.join("\n")}\n};\n`;
}

function smaller(data, plain) {
    return data.length < plain.length * 0.95 ? data : null;
}

function cSource(files) {
    const arrays = [];
    const rows = [];
    files.forEach((f, i) => {
        const gzip = smaller(gzipSync(f.body, { level: 9 }), f.body);
        const br = smaller(brotliCompressSync(f.body, {
            params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: f.body.length },
        }), f.body);
        const one = (kind, data) => {
            if (!data)
                return ["NULL", "0"];
            arrays.push(bytes(`${kind}_${i}`, data));
            return [`${kind}_${i}`, `sizeof ${kind}_${i}`];
        };
        const [plain, plainLen] = one("plain", f.body);
        const [gz, gzLen] = one("gzip", gzip);
        const [b, bLen] = one("br", br);
        const etag = createHash("sha256").update(f.body).digest("hex").slice(0, 32);
        rows.push(`    { "${f.path}", "${f.type}", "${etag}", ${f.immutable},\n` +
                  `      ${plain}, ${gz}, ${b}, ${plainLen}, ${gzLen}, ${bLen} },`);
        const size = (data) => (data ? `${(data.length / 1024).toFixed(1)}` : "-").padStart(8);
        if (!options.quiet)
            console.log(`${f.path.padEnd(28)}${size(f.body)}${size(gzip)}${size(br)} KiB plain, gzip, brotli`);
    });
    return "/* SPDX-License-Identifier: Apache-2.0\n * Made by web/build.mjs from web/src: change that, not this. */\n" +
        `#include "http/assets.h"\n\n${arrays.join("\n")}\n` +
        `const struct asset assets[] = {\n${rows.join("\n")}\n};\nconst size_t assets_count = ${rows.length};\n`;
}

/* All or nothing: a broken build must not leave half a file that looks newer than its sources. */
function writeWhole(path, text) {
    mkdirSync(dirname(resolve(path)), { recursive: true });
    writeFileSync(`${path}.new`, text);
    renameSync(`${path}.new`, path);
}

const built = await bundle();
const files = [startPage(built), ...built.outputs, ...publicFiles(), licences(built.inputs)];
for (const f of files)
    f.type ??= types[extension(f.path)];
if (options.dir)
    for (const f of files)
        writeWhole(join(options.dir, f.path === "/" ? "index.html" : f.path), f.body);
if (options.out)
    writeWhole(options.out, cSource(files));
