// Whether the official parser takes an AsyncAPI document: node parse.mjs FILE. Ends with 1 where it does not.
// @asyncapi/parser is looked for in the directory that PARSER_DIRECTORY names.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';

const from = resolve(process.env.PARSER_DIRECTORY ?? '.', 'package.json');
const { Parser } = createRequire(from)('@asyncapi/parser');
const file = process.argv[2];
const { document, diagnostics } = await new Parser().parse(readFileSync(file, 'utf8'));
const [ERROR, WARNING] = [0, 1];
const told = diagnostics.filter(({ severity }) => severity === ERROR || severity === WARNING);
for (const { code, path, message } of told) console.error(`${file}: ${path.join('.')}: ${code}: ${message}`);
if (!document || told.length) process.exit(1);
console.log(`${file}: ${document.channels().all().length} channels, no faults`);
