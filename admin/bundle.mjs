// The last step of the admin build, and the question whether any step is needed.
//
//   node bundle.mjs digest                    prints a digest of everything the page is made of
//   node bundle.mjs fresh    STAMP DIGEST     ends with 0 when dist/ is what that digest gave
//   node bundle.mjs assemble STAGE STAMP DIGEST
//
// Invariant: a file below dist/assets never changes under its name, so it may be cached for ever;
// only index.html has a fixed name. Files that stay the same are not touched: the server, which
// embeds dist/, is then not rebuilt.
import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const ADMIN = import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname);
const DIST = path.join(ADMIN, "dist");
const SHARED_INPUTS = ["Cargo.toml", "Cargo.lock", "rust-toolchain.toml"];
const NOT_INPUTS = new Set(["node_modules", "dist", "README.md"]);
const NAME = "troupe";

/** In this order: a file comes after those it names. */
const ASSETS = ["app.wasm", "app.js", "boot.js", "theme.js", "style.css", "icon.svg"];

const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

function* walk(folder, skip = new Set()) {
  if (!fs.existsSync(folder)) return;
  const entries = fs.readdirSync(folder, { withFileTypes: true });
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (skip.has(entry.name)) continue;
    const full = path.join(folder, entry.name);
    if (entry.isDirectory()) yield* walk(full);
    else if (entry.isFile()) yield full;
  }
}

function digest() {
  const inputs = [...walk(ADMIN, NOT_INPUTS), ...SHARED_INPUTS.map((name) => path.join(ADMIN, "..", name))];
  const lines = inputs.map((file) => `${path.relative(ADMIN, file)} ${sha256(fs.readFileSync(file))}`);
  return sha256(lines.join("\n"));
}

/** What lies in dist/, by relative path. */
function listing() {
  return Object.fromEntries([...walk(DIST)].map((file) => [path.relative(DIST, file), sha256(fs.readFileSync(file))]));
}

function isFresh(stamp, wanted) {
  if (!fs.existsSync(stamp)) return false;
  try {
    const { inputs, files } = JSON.parse(fs.readFileSync(stamp, "utf8"));
    return inputs === wanted && JSON.stringify(files) === JSON.stringify(listing());
  } catch {
    return false;
  }
}

/** Puts the hashed names in place of the plain ones; a name that is missing is a mistake of ours. */
function rename(text, owner, renamed, prefix) {
  return text.replaceAll(new RegExp(`${prefix}([a-z]+\\.[a-z]+)(?=")`, "g"), (_, name) => {
    const to = renamed.get(name);
    if (!to) throw new Error(`${owner} names ${name}, which is not (yet) an asset`);
    return prefix.replaceAll("\\", "") + to;
  });
}

function assemble(stage) {
  const output = new Map();
  const renamed = new Map();
  for (const name of ASSETS) {
    let bytes = fs.readFileSync(path.join(stage, name));
    if (name === "boot.js") bytes = Buffer.from(rename(bytes.toString(), name, renamed, "\\./"));
    const { name: stem, ext } = path.parse(name);
    renamed.set(name, `${NAME}-${stem}-${sha256(bytes).slice(0, 16)}${ext}`);
    output.set(path.join("assets", renamed.get(name)), bytes);
  }
  const page = fs.readFileSync(path.join(stage, "index.html"), "utf8");
  output.set("index.html", Buffer.from(rename(page, "index.html", renamed, "/admin/assets/")));
  return output;
}

/** New files first, the page that names them last, then what nothing names any more goes. */
function write(output) {
  const before = listing();
  for (const [name, bytes] of output) {
    if (before[name] === sha256(bytes)) continue;
    const target = path.join(DIST, name);
    fs.mkdirSync(path.dirname(target), { recursive: true });
    fs.writeFileSync(`${target}.new`, bytes);
    fs.renameSync(`${target}.new`, target);
  }
  for (const name of Object.keys(before)) {
    if (!output.has(name)) fs.rmSync(path.join(DIST, name));
  }
}

function report(output) {
  const row = (cells) => console.log(cells.map((cell, i) => (i ? cell.padStart(10) : cell.padEnd(48))).join(""));
  row(["bytes", "raw", "gzip", "brotli"]);
  const total = [0, 0, 0];
  for (const [name, bytes] of output) {
    const brotli = brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } });
    const sizes = [bytes.length, gzipSync(bytes, { level: 9 }).length, brotli.length];
    sizes.forEach((size, i) => (total[i] += size));
    row([name, ...sizes.map(String)]);
  }
  row(["all", ...total.map(String)]);
}

const [command, ...args] = process.argv.slice(2);
if (command === "digest") {
  console.log(digest());
} else if (command === "fresh") {
  process.exitCode = isFresh(args[0], args[1]) ? 0 : 1;
} else if (command === "assemble") {
  const [stage, stamp, inputs] = args;
  const output = assemble(stage);
  write(output);
  report(output);
  fs.writeFileSync(stamp, JSON.stringify({ inputs, files: listing() }));
} else {
  console.error("usage: node bundle.mjs digest | fresh STAMP DIGEST | assemble STAGE STAMP DIGEST");
  process.exitCode = 2;
}
