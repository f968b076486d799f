// The official parser's verdict on the document that is given on stdin; exit 1 for an error.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const { Parser } = createRequire(process.env.NODE_PATH + "/")("@asyncapi/parser");
const { document, diagnostics } = await new Parser().parse(readFileSync(0, "utf8"));
for (const each of diagnostics) console.log(each.severity, each.code, each.path.join("."), each.message);
process.exit(document && !diagnostics.some((each) => each.severity < 2) ? 0 : 1);
