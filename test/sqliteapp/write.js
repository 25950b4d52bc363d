// write.js FILE FROM OUTPUT: writes rows of its own, from that number on, and changes those of all, until it has
// written enough and rows of all five applications are in its file. Says in OUTPUT what is committed: + made, - gone.
import { DatabaseSync } from "@photostructure/sqlite";
import { appendFileSync } from "node:fs";

const [path, from, output] = process.argv.slice(2);
const db = new DatabaseSync(path);
db.exec("PRAGMA busy_timeout = 10000; PRAGMA foreign_keys = ON");
const parent = db.prepare("INSERT INTO t VALUES (?, ?, 0)");
const child = db.prepare("INSERT INTO child VALUES (?, ?, ?)");
const change = db.prepare("UPDATE t SET b = ? WHERE id = ?");
const remove = db.prepare("DELETE FROM t WHERE id = ?");
const seen = db.prepare("SELECT count(DISTINCT id / 1000000) AS n FROM t WHERE id >= 1000000");

for (let i = 0; i < 150 || (i % 10 === 0 && seen.get().n < 5) || i % 10 !== 0; i++) {
  const id = Number(from) + i;
  db.exec("BEGIN IMMEDIATE");
  parent.run(id, `npm ${id}`);
  child.run(id * 2, id, new Uint8Array([1, 0, 255]));
  child.run(id * 2 + 1, id, 0.1);
  change.run(id, 1 + (i * 7919) % 200);
  db.exec("COMMIT");
  appendFileSync(output, `+${id}\n`);
  if (i % 10 === 9) {
    remove.run(id - 5);
    appendFileSync(output, `-${id - 5}\n`);
  }
  await new Promise((done) => setTimeout(done, 2));
}
db.close();
