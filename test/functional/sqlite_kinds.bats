#!/usr/bin/env bats
# SQLite files of applications: kinds of tables and values, schemas that change, rows that one side does not take.

load node.bash
load lite.bash

start_nodes()
{
	lite_start n1 n2
}

pair()		# pair TABLE SCHEMA [MORE FIELDS]: the same table in x.db of n1 and y.db of n2, both ways
{
	app "$1-x.db" "PRAGMA journal_mode=WAL; $2"
	app "$1-y.db" "PRAGMA journal_mode=WAL; $2"
	attach n1 "$1-x.db" "${3:-}"
	subscribe n1 n2 "$1" true true 2000-01-01T00:00:00.000Z
	wait_until 10 described n2 "$1"
	attach n2 "$1-y.db" "${3:-}"
}

described()
{
	ok "$1" "{\"operation\":\"describe_table\",\"database\":\"dev\",\"table\":\"$2\"}"
}

both()		# both TABLE: the two files are equal soon, and whole
{
	same_files 15 "$1" "$1-x.db" "$1-y.db"
	for f in x y; do
		[ "$(app "$1-$f.db" 'PRAGMA integrity_check')" = ok ]
	done
}

@test "without rowid, strict, generated columns, a key of several columns, odd names" {
	pair lines 'CREATE TABLE lines(order_id INTEGER NOT NULL, "line no" INTEGER NOT NULL, item TEXT, n INTEGER, twice INTEGER GENERATED ALWAYS AS (n * 2) STORED,
	    PRIMARY KEY(order_id, "line no")) WITHOUT ROWID, STRICT'
	app lines-x.db "INSERT INTO lines(order_id, \"line no\", item, n) VALUES (1, 1, 'a', 1), (1, 2, 'b', 2), (2, 1, 'c', 3)"
	app lines-y.db "INSERT INTO lines(order_id, \"line no\", item, n) VALUES (9, 1, 'y', 1)"
	both lines
	app lines-y.db "UPDATE lines SET \"line no\" = 7, n = 10 WHERE order_id = 1 AND \"line no\" = 2; DELETE FROM lines WHERE order_id = 2"
	wait_until 5 file_has lines-x.db 'SELECT twice FROM lines WHERE order_id = 1 AND "line no" = 7' 20
	both lines
	has_row n1 lines '"[1,7]"' '.order_id == 1 and .n == 10 and (has("twice") | not)'
}

@test "every kind of value comes through with its storage class" {
	pair kinds 'CREATE TABLE kinds(id PRIMARY KEY NOT NULL, a, i INTEGER, t TEXT, r REAL, n NUMERIC, b BLOB, flag BOOLEAN, day DATETIME)'
	app kinds-x.db "INSERT INTO kinds VALUES
	    (1, 9223372036854775807, -9223372036854775808, 'x', 3, 3.0, x'', 1, '2026-01-01'),
	    ('two', 3.0, 5, '', -0.5, 1e300, x'000102', 0, 20260101),
	    ('/slash', 1e999, NULL, char(0) || 'nul', 1e-300, -1e999, 'text', NULL, 1.5),
	    (x'00ff10', CAST(x'ff41' AS TEXT), 0, '\$b64:no', 0.1, '12abc', x'ff', 'true', NULL),
	    ('\$b64:key', '{\"a\":1}', 1, '[1]', 1, 1, 1, 1, 1),
	    (-1.5, 'é€', 1, '5', 5, 5, 5, 5, 5), ('', 1, 1, 1, 1, 1, 1, 1, 1)"
	both kinds
	[ "$(app kinds-y.db 'SELECT count(*) FROM kinds')" = 7 ]
	# Once more: nothing is taken out of a file that was written into it.
	app kinds-y.db "UPDATE kinds SET flag = 7"
	both kinds
	ok n2 "$(lite verify_sqlite kinds-y.db)" '.different == 0 and .missing_in_file == 0 and .only_in_file == 0 and .quick_check == "ok"'
}

@test "a row of the API: objects are JSON text, what a file does not have is kept, what cannot be a row is refused" {
	upsert n1 kinds '{"id":"api","a":{"x":[1]},"flag":true,"more":5},{"id":5,"t":1}'
	wait_until 5 file_has kinds-y.db "SELECT a, flag FROM kinds WHERE id = 'api'" '{"x":[1]}|1'
	app kinds-y.db "UPDATE kinds SET i = 1 WHERE id = 'api'"
	wait_until 5 has_row n1 kinds '"api"' '.i == 1 and .a == {"x":[1]} and .more == 5 and .flag == true'
	both kinds
	ok n1 '{"operation":"insert","database":"dev","table":"lines","records":[{"order_id,line no":"[3,4]","item":"api","n":4},{"order_id,line no":"none","item":"bad"},{"order_id,line no":"[5,5]","n":"no number"}]}'
	wait_until 5 file_has lines-x.db 'SELECT item FROM lines WHERE order_id = 3' api
	wait_until 5 attached_is n1 lines-x.db '.refused_rows == 2 and ([.tables[].refused_rows[].reason] | any(test("not the text of a list")) and any(test("cannot store TEXT")))'
	attached_is n1 lines-x.db '.pending_rows == 2'
	# The rest goes on, and a row that is mended goes in.
	app lines-x.db "INSERT INTO lines(order_id, \"line no\", item) VALUES (6, 6, 'goes on')"
	ok n1 '{"operation":"update","database":"dev","table":"lines","records":[{"order_id,line no":"[5,5]","n":55}]}'
	wait_until 10 file_has lines-x.db 'SELECT n FROM lines WHERE order_id = 5' 55
	both lines
	wait_until 5 attached_is n1 lines-x.db '.refused_rows == 1'
}

@test "a row of the API or of SQL without a key of several columns: it is made of them" {
	ok n1 '{"operation":"insert","database":"dev","table":"lines","records":[{"order_id":30,"line no":1,"item":"api","n":4}]}' '.inserted_hashes == ["[30,1]"]'
	ok n1 '{"operation":"update","database":"dev","table":"lines","records":[{"order_id":30,"line no":1,"n":5}]}' '.update_hashes == ["[30,1]"]'
	ok n2 '{"operation":"sql","sql":"INSERT INTO dev.lines(order_id, \"line no\", item) VALUES (31, 2, '"'sql'"')"}' '.inserted_hashes == ["[31,2]"]'
	refused n1 400 '{"operation":"insert","database":"dev","table":"lines","records":[{"order_id":32,"item":"api"}]}' "needs 'line no'"
	wait_until 10 file_has lines-y.db 'SELECT n FROM lines WHERE order_id = 30 AND "line no" = 1' 5
	wait_until 10 file_has lines-x.db 'SELECT item FROM lines WHERE order_id = 31 AND "line no" = 2' sql
	both lines
}

@test "rows with NULL in their key are not replicated, and are listed" {
	pair nulls 'CREATE TABLE nulls(id TEXT PRIMARY KEY, a)'
	app nulls-x.db "INSERT INTO nulls VALUES (NULL, 1), ('one', 1)"
	wait_until 5 has_row n1 nulls '"one"'
	wait_until 5 attached_is n1 nulls-x.db '.refused_rows == 1 and (.tables[0].refused_rows[0].reason | test("NULL"))'
	counts n1 nulls 1
}

@test "REPLACE that removes other rows is seen, with both settings of recursive_triggers" {
	pair mails 'CREATE TABLE mails(id INTEGER PRIMARY KEY, mail TEXT UNIQUE, a, b, UNIQUE(a, b))'
	for on in OFF ON; do
		app mails-x.db "DELETE FROM mails; INSERT INTO mails VALUES (1, 'm1', 1, 1), (2, 'm2', 2, 2), (3, 'm3', 3, 3), (4, 'm4', 4, 4)"
		both mails
		app mails-x.db "PRAGMA recursive_triggers=$on; INSERT OR REPLACE INTO mails VALUES (9, 'm1', 2, 2);
		    UPDATE OR REPLACE mails SET mail = 'm4' WHERE id = 3; INSERT OR IGNORE INTO mails VALUES (10, 'm4', 7, 7);
		    INSERT INTO mails VALUES (11, 'm4', 8, 8) ON CONFLICT(mail) DO UPDATE SET a = 80"
		wait_until 5 counts n1 mails 2
		both mails
		file_has mails-y.db 'SELECT group_concat(id) FROM (SELECT id FROM mails ORDER BY id)' 3,9
	done
}

@test "values that move between rows of a UNIQUE column" {
	app mails-x.db "DELETE FROM mails; INSERT INTO mails VALUES (1, 'one', 1, 1), (2, 'two', 2, 2), (3, 'three', 3, 3)"
	both mails
	app mails-x.db "BEGIN; UPDATE mails SET mail = 'tmp' WHERE id = 1; UPDATE mails SET mail = 'one' WHERE id = 2; UPDATE mails SET mail = 'two' WHERE id = 3; UPDATE mails SET mail = 'three' WHERE id = 1; COMMIT"
	wait_until 5 file_has mails-y.db 'SELECT group_concat(mail) FROM (SELECT mail FROM mails ORDER BY id)' three,one,two
	both mails
}

@test "two nodes give one value to two rows: the newest has it in both files, the other is refused until it can be" {
	app mails-x.db "DELETE FROM mails"
	both mails
	node_kill n1 leaf STOP
	app mails-x.db "INSERT INTO mails VALUES (100, 'same', 100, 1)"
	wait_until 5 has_row n1 mails 100
	app mails-y.db "INSERT INTO mails VALUES (200, 'same', 200, 2)"
	wait_until 5 has_row n2 mails 200
	node_kill n1 leaf CONT
	wait_until 15 file_has mails-x.db 'SELECT group_concat(id) FROM mails' 200
	both mails
	wait_until 5 attached_is n1 mails-x.db '.refused_rows == 1 and (.tables[0].refused_rows[0] | .id == 100 and (.reason | test("UNIQUE")))'
	wait_until 5 attached_is n2 mails-y.db '.refused_rows == 1'
	counts n1 mails 2
	app mails-y.db "UPDATE mails SET mail = 'another' WHERE id = 200"
	wait_until 15 file_has mails-x.db 'SELECT group_concat(mail) FROM (SELECT mail FROM mails ORDER BY id)' same,another
	both mails
	wait_until 5 attached_is n2 mails-y.db '.refused_rows == 0 and .pending_rows == 0'
}

@test "foreign keys: cascades come as rows, and order does not matter" {
	pair parents 'CREATE TABLE parents(id INTEGER PRIMARY KEY, a);
	    CREATE TABLE kids(id INTEGER PRIMARY KEY, parent REFERENCES parents(id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED)'
	subscribe n1 n2 kids true true 2000-01-01T00:00:00.000Z
	app parents-x.db "PRAGMA foreign_keys=ON; BEGIN; INSERT INTO kids VALUES (1, 10), (2, 10), (3, 20); INSERT INTO parents VALUES (10, 'p'), (20, 'q'); COMMIT"
	same_files 10 kids parents-x.db parents-y.db
	app parents-y.db "PRAGMA foreign_keys=ON; DELETE FROM parents WHERE id = 10"
	same_files 10 kids parents-x.db parents-y.db
	both parents
	file_has parents-x.db 'SELECT count(*) FROM kids' 1
	[ -z "$(app parents-x.db 'PRAGMA foreign_key_check')" ]
}

@test "triggers of the application run where it wrote, and nowhere else" {
	pair audited 'CREATE TABLE audited(id INTEGER PRIMARY KEY, a);
	    CREATE TABLE seen(id INTEGER PRIMARY KEY, what);
	    CREATE TRIGGER note AFTER INSERT ON audited BEGIN INSERT INTO seen(what) VALUES (NEW.a); END' '"tables":["audited"]'
	app audited-x.db "INSERT INTO audited VALUES (1, 'x')"
	both audited
	file_has audited-x.db 'SELECT count(*) FROM seen' 1
	file_has audited-y.db 'SELECT count(*) FROM seen' 0
}

@test "a column is added, first here, then there: values wait for it" {
	pair grows 'CREATE TABLE grows(id INTEGER PRIMARY KEY, a TEXT)'
	app grows-x.db "INSERT INTO grows VALUES (1, 'one'), (2, 'two')"
	both grows
	app grows-x.db "ALTER TABLE grows ADD COLUMN b TEXT DEFAULT 'none'; UPDATE grows SET b = 'set' WHERE id = 1; INSERT INTO grows VALUES (3, 'three', 'b3')"
	wait_until 5 has_row n2 grows 3 '.b == "b3"'
	wait_until 5 file_has grows-y.db 'SELECT a FROM grows WHERE id = 3' three
	app grows-y.db "UPDATE grows SET a = 'changed' WHERE id = 1"
	wait_until 5 file_has grows-x.db 'SELECT a, b FROM grows WHERE id = 1' 'changed|set'
	app grows-y.db "ALTER TABLE grows ADD COLUMN b TEXT DEFAULT 'none'"
	wait_until 10 file_has grows-y.db 'SELECT b FROM grows WHERE id = 1' set
	wait_until 10 file_has grows-y.db 'SELECT b FROM grows WHERE id = 3' b3
	both grows
	file_has grows-x.db 'SELECT b FROM grows WHERE id = 2' none
}

@test "a column is renamed and one dropped: what is left goes on" {
	for f in x y; do
		app grows-$f.db "ALTER TABLE grows RENAME COLUMN a TO word"
	done
	app grows-x.db "UPDATE grows SET word = 'renamed' WHERE id = 2"
	wait_until 10 file_has grows-y.db 'SELECT word FROM grows WHERE id = 2' renamed
	for f in x y; do
		app grows-$f.db "ALTER TABLE grows DROP COLUMN b"
	done
	app grows-y.db "INSERT INTO grows VALUES (50, 'after')"
	wait_until 10 file_has grows-x.db 'SELECT word FROM grows WHERE id = 50' after
	wait_until 5 settled n1 grows-x.db
}

@test "a table is made anew, as migrations do, and written meanwhile" {
	pair rebuilt 'CREATE TABLE rebuilt(id INTEGER PRIMARY KEY, a TEXT)'
	app rebuilt-x.db "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM n WHERE i < 500) INSERT INTO rebuilt SELECT i, 'a' || i FROM n"
	both rebuilt
	app rebuilt-x.db "BEGIN; CREATE TABLE fresh(id INTEGER PRIMARY KEY, a TEXT NOT NULL, extra INTEGER DEFAULT 7);
	    INSERT INTO fresh(id, a) SELECT id, a FROM rebuilt; DROP TABLE rebuilt; ALTER TABLE fresh RENAME TO rebuilt;
	    UPDATE rebuilt SET a = 'changed' WHERE id = 1; DELETE FROM rebuilt WHERE id = 2; INSERT INTO rebuilt VALUES (501, 'new', 1); COMMIT"
	wait_until 10 has_row n2 rebuilt 501 '.extra == 1'
	has_row n2 rebuilt 1 '.a == "changed"'
	wait_until 5 has_no_row n2 rebuilt 2
	app rebuilt-x.db "INSERT INTO rebuilt VALUES (502, 'watched', 2)"
	wait_until 5 file_has rebuilt-y.db 'SELECT a FROM rebuilt WHERE id = 502' watched
	wait_until 5 settled n1 rebuilt-x.db
}

@test "a table that is made anew without its rows does not empty the cluster: an operator says what holds" {
	app rebuilt-x.db "DROP TABLE rebuilt; CREATE TABLE rebuilt(id INTEGER PRIMARY KEY, a TEXT, extra INTEGER)"
	wait_until 10 attached_is n1 rebuilt-x.db '.state | test("verify_sqlite")'
	counts n2 rebuilt 501
	ok n1 "$(lite verify_sqlite rebuilt-x.db '"repair":"file"')" '.missing_in_file == 501'
	wait_until 10 file_has rebuilt-x.db 'SELECT count(*) FROM rebuilt' 501
	wait_until 5 settled n1 rebuilt-x.db
	counts n2 rebuilt 501
}

@test "a table that comes later is taken, where all are; one that goes is said" {
	app all-x.db "PRAGMA journal_mode=WAL; CREATE TABLE first(id INTEGER PRIMARY KEY, a)"
	attach n1 all-x.db '"tables":"*"'
	app all-x.db "CREATE TABLE second(id INTEGER PRIMARY KEY, a); INSERT INTO second VALUES (1, 'x')"
	wait_until 10 has_row n1 second 1 '.a == "x"'
	app all-x.db "DROP TABLE second"
	wait_until 10 attached_is n1 all-x.db '.state | test("second")'
	has_row n1 second 1
	app all-x.db "INSERT INTO first VALUES (1, 'goes on')"
	wait_until 10 has_row n1 first 1
}
