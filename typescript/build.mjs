// Writes the CommonJS twin of each module; with --check it only says whether they are as they would be written.
import { readFileSync, writeFileSync } from "node:fs";

const here = new URL("./", import.meta.url);
const stale = [];

function commonJs(text) {
  const names = [...text.matchAll(/^export (?:async )?(?:function|const|class) (\w+)/gm)].map((found) => found[1]);
  const body = text
    .replace(/^export /gm, "")
    .replace(/^import (\{.*\}) from "(.*)";$/gm, (_, what, from) => `const ${what} = require("${from.replace(/\.js$/, ".cjs")}");`);
  return `// Written by build.mjs from the module beside it.\n"use strict";\n${body}\nmodule.exports = { ${names.join(", ")} };\n`;
}

function put(name, text) {
  const file = new URL(name, here);
  let found = "";
  try {
    found = readFileSync(file, "utf8");
  } catch {
    // not there yet
  }
  if (found !== text) stale.push(name);
  if (!process.argv.includes("--check")) writeFileSync(file, text);
}

for (const name of ["index", "react"]) {
  put(`${name}.cjs`, commonJs(readFileSync(new URL(`${name}.js`, here), "utf8")));
  put(`${name}.d.cts`, readFileSync(new URL(`${name}.d.ts`, here), "utf8").replaceAll('"./index.js"', '"./index.cjs"'));
}
if (process.argv.includes("--check") && stale.length) {
  console.error(`not as their sources are: ${stale.join(", ")}; run: node typescript/build.mjs`);
  process.exit(1);
}
