#!/usr/bin/env bats
# SQLite files of applications that do strange things, and files made to do harm.

load node.bash
load lite.bash

start_nodes()
{
	lite_start n1 n2
}

rows_are()	# rows_are NODE TABLE JQ: of all its rows
{
	ask "$1" "{\"operation\":\"sql\",\"sql\":\"SELECT * FROM dev.$2\"}" | jq -e "$3"
}

# Names of SQLite's own that a file can have for tables and views.
@test "a file whose tables and views have names of SQLite's own tables" {
	app shadow.db "CREATE TABLE t(id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1, 'one');
	    CREATE VIEW pragma_foreign_key_check AS SELECT 'x' AS a;
	    CREATE TABLE pragma_table_list(schema, name, type); INSERT INTO pragma_table_list VALUES ('main', 't', NULL);
	    CREATE TABLE pragma_table_xinfo(name, type, dflt_value, pk, hidden); CREATE VIEW pragma_journal_mode AS SELECT NULL AS journal_mode;
	    CREATE TABLE pragma_index_list(a); CREATE TABLE pragma_index_xinfo(a); CREATE VIEW pragma_quick_check AS SELECT NULL"
	attach n1 shadow.db '"tables":["t"]'
	wait_until 10 counts n1 t 1
	app shadow.db "INSERT INTO t VALUES (2, 'two')"
	wait_until 10 counts n1 t 2
	ok n1 "$(lite verify_sqlite shadow.db)" '.different == 0 and .quick_check == "ok" and .foreign_key_violations == 0'
	detach n1 shadow.db
}

@test "names that are no UTF-8, and texts of faults with them" {
	python3 - "$HL_T/files/bytes.db" <<-'END'
		import sqlite3, sys
		c = sqlite3.connect(sys.argv[1])
		c.text_factory = bytes
		c.executescript("PRAGMA writable_schema=ON; CREATE TABLE good(id INTEGER PRIMARY KEY, v CHECK (v <> 'QQ')); CREATE TABLE badcol(id INTEGER PRIMARY KEY, QQ); CREATE TABLE QQ(id INTEGER PRIMARY KEY)")
		c.execute("UPDATE sqlite_schema SET sql = CAST(replace(sql, 'QQ', x'ff') AS TEXT), name = CAST(replace(name, 'QQ', x'ff') AS TEXT), tbl_name = CAST(replace(tbl_name, 'QQ', x'ff') AS TEXT)")
		c.commit()
	END
	attach n1 bytes.db '"check":true'
	jq -e '.tables | length == 1' <<<"$body"
	attach n1 bytes.db
	ok n1 "$(lite verify_sqlite bytes.db)" '.quick_check == "ok"'
	refused n1 409 "$(lite attach_sqlite bytes.db '"tables":["good"]')" "attached"
	# SQLite's words name the constraint, which is not UTF-8.
	upsert n1 good "{\"id\":1,\"v\":{\"\$text64\":\"$(printf '\377' | base64)\"}}"
	wait_until 10 attached_is n1 bytes.db '.tables[0].refused_rows[0].reason | startswith("CHECK constraint failed")'
}

@test "the same table named twice" {
	app twice.db "CREATE TABLE tw(id INTEGER PRIMARY KEY, v)"
	attach n1 twice.db '"tables":["tw","TW","tw"]'
	jq -e '.tables | length == 1' <<<"$body"
	app twice.db "INSERT INTO tw VALUES (1, 'x')"
	wait_until 10 counts n1 tw 1
	detach n1 twice.db
}

@test "rows that are larger than a transaction stay in the file, whatever happens, and are said" {
	app large.db "PRAGMA journal_mode=WAL; CREATE TABLE large(id INTEGER PRIMARY KEY, v); INSERT INTO large VALUES (1, zeroblob(60000000)), (2, 'small'), (3, 'was small')"
	attach n1 large.db
	wait_until 10 has_row n1 large 2
	app large.db "UPDATE large SET v = zeroblob(60000000) WHERE id = 3"
	wait_until 10 attached_is n1 large.db '.tables[0].refused_rows | length == 2 and all(.reason | contains("maxTransaction"))'
	power_cut n1
	node_run n1
	# All rows are compared then: these are passed over, and said.
	wait_until 20 attached_is n1 large.db '.refused_rows == 2 and .state == "ok"'
	[ "$(app large.db 'SELECT group_concat(length(v)) FROM large')" = 60000000,5,60000000 ]
	app large.db "UPDATE large SET v = 'small again' WHERE id = 3"
	wait_until 10 has_row n1 large 3 '.v == "small again"'
	wait_until 10 attached_is n1 large.db '.refused_rows == 1'
}

@test "a table goes for a while: what was written meanwhile is taken" {
	app ren.db "PRAGMA journal_mode=WAL; CREATE TABLE ren(id INTEGER PRIMARY KEY, v); INSERT INTO ren VALUES (1, 'one')"
	attach n1 ren.db '"tables":["ren"]'
	wait_until 10 counts n1 ren 1
	app ren.db "ALTER TABLE ren RENAME TO other"
	wait_until 10 attached_is n1 ren.db '.state | contains("not in the file")'
	app ren.db "INSERT INTO other VALUES (2, 'two'); UPDATE other SET v = 'eins' WHERE id = 1"
	wait_until 10 attached_is n1 ren.db '.log_rows == 0'
	app ren.db "ALTER TABLE other RENAME TO ren"
	wait_until 10 has_row n1 ren 2 '.v == "two"'
	wait_until 10 has_row n1 ren 1 '.v == "eins"'
}

@test "another primary key is another table" {
	app pk.db "PRAGMA journal_mode=WAL; CREATE TABLE pk(id INTEGER PRIMARY KEY, u TEXT); INSERT INTO pk VALUES (1, 'a'), (2, 'b')"
	attach n1 pk.db
	wait_until 10 counts n1 pk 2
	app pk.db "BEGIN; CREATE TABLE n(u TEXT PRIMARY KEY NOT NULL, id INTEGER); INSERT INTO n SELECT u, id FROM pk; DROP TABLE pk; ALTER TABLE n RENAME TO pk; COMMIT"
	wait_until 10 attached_is n1 pk.db '.state | contains("primary key")'
	rows_are n1 pk '[.[].id] == [1,2]'
}

@test "conflict clauses of the schema remove and pass over nothing when rows come" {
	app oc1.db "PRAGMA journal_mode=WAL; CREATE TABLE oc(id INTEGER PRIMARY KEY, e TEXT, s TEXT); INSERT INTO oc VALUES (1, 'a', 'x'), (2, 'b', 'y')"
	app oc2.db "PRAGMA journal_mode=WAL; CREATE TABLE oc(id INTEGER PRIMARY KEY, e TEXT UNIQUE ON CONFLICT REPLACE, s TEXT UNIQUE ON CONFLICT IGNORE)"
	attach n1 oc1.db
	subscribe n1 n2 oc true true 2000-01-01T00:00:00.000Z
	wait_until 10 has_row n2 oc 2
	attach n2 oc2.db '"tables":["oc"]'
	same_files 10 oc oc1.db oc2.db
	app oc1.db "INSERT INTO oc VALUES (3, 'a', 'z'), (4, 'c', 'y')"
	wait_until 10 attached_is n2 oc2.db '.refused_rows == 2'
	[ "$(app oc2.db 'SELECT group_concat(id) FROM (SELECT id FROM oc ORDER BY id)')" = 3,4 ]
}

@test "many rows that cannot be replicated do not hide others" {
	app bad.db "PRAGMA journal_mode=WAL; CREATE TABLE bad(id TEXT PRIMARY KEY, v);
	    WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM n WHERE i < 600) INSERT INTO bad SELECT 'b' || i || printf('%.2000c', 'x'), i FROM n;
	    INSERT INTO bad VALUES ('a', 1), ('z', 2), (NULL, 3)"
	attach n1 bad.db
	wait_until 10 has_row n1 bad '"a"'
	wait_until 10 has_row n1 bad '"z"'
	ok n1 "$(lite verify_sqlite bad.db)" '.refused > 0'
}

@test "signs of zero" {
	app z1.db "PRAGMA journal_mode=WAL; CREATE TABLE z(id INTEGER PRIMARY KEY, v); INSERT INTO z VALUES (1, 0.0)"
	app z2.db "PRAGMA journal_mode=WAL; CREATE TABLE z(id INTEGER PRIMARY KEY, v)"
	attach n1 z1.db
	subscribe n1 n2 z true true 2000-01-01T00:00:00.000Z
	attach n2 z2.db
	same_files 10 z z1.db z2.db
	python3 -c "
import sqlite3,sys
c=sqlite3.connect(sys.argv[1]); c.execute('UPDATE z SET v=?',(-0.0,)); c.execute('INSERT INTO z VALUES(2,?)',(-0.0,)); c.commit()
print(c.execute('SELECT v, printf(\"%g\", v) from z').fetchall())" "$HL_T/files/z1.db"
	wait_until 10 has_row n1 z 2
	same_files 10 z z1.db z2.db
	python3 -c "
import sqlite3,sys
print(repr(sqlite3.connect(sys.argv[1]).execute('SELECT * FROM z').fetchall()))" "$HL_T/files/z2.db" | tee /dev/stderr | grep -F '(1, -0.0)'
}

@test "a key of several columns that changes its type" {
	app ct.db "PRAGMA journal_mode=WAL; CREATE TABLE ct(a, b, v, PRIMARY KEY(a, b)); INSERT INTO ct VALUES (1, 'x', 'one')"
	attach n1 ct.db
	wait_until 10 counts n1 ct 1
	app ct.db "DELETE FROM ct; INSERT INTO ct VALUES (1.0, 'x', 'real')"
	wait_until 5 settled n1 ct.db
	wait_until 5 counts n1 ct 1
	app ct.db "DELETE FROM ct"
	wait_until 5 counts n1 ct 0
}

@test "two thousand columns" {
	python3 - "$HL_T/files/wide.db" <<-'END'
		import sqlite3, sys
		c = sqlite3.connect(sys.argv[1])
		c.execute("CREATE TABLE w(id INTEGER PRIMARY KEY, " + ", ".join("c%d" % i for i in range(1999)) + ")")
		c.execute("INSERT INTO w VALUES (1" + ",7" * 1999 + ")")
		c.commit()
	END
	attach n1 wide.db
	wait_until 10 counts n1 w 1
}

@test "columns that are added while rows come" {
	app add.db "PRAGMA journal_mode=WAL; CREATE TABLE mig(id INTEGER PRIMARY KEY, v)"
	attach n1 add.db
	python3 - "$HL_T/files/add.db" <<-'END'
		import sqlite3, sys, time
		c = sqlite3.connect(sys.argv[1], timeout=10, isolation_level=None)
		for n in range(20):
		    c.execute("BEGIN IMMEDIATE")
		    c.executemany("INSERT INTO mig(id, v) VALUES (?, 'x')", ((k,) for k in range(1000 + n * 3000, 4000 + n * 3000)))
		    c.execute("COMMIT")
		    time.sleep(0.005 * (n % 10 + 1))
		    c.execute("BEGIN IMMEDIATE")
		    c.execute("ALTER TABLE mig ADD COLUMN c%d" % n)
		    c.execute("INSERT INTO mig(id, v, c%d) VALUES (?, 'y', 'z')" % n, (n,))
		    c.execute("COMMIT")
	END
	wait_until 60 settled n1 add.db
	for n in {0..19}; do
		wait_until 10 has_row n1 mig "$n" ".c$n == \"z\""
	done
}

@test "tables that are made anew one after the other, and written at once" {
	python3 - "$HL_T/files/many.db" <<-'END'
		import sqlite3, sys
		c = sqlite3.connect(sys.argv[1])
		c.execute("PRAGMA journal_mode=WAL")
		for n in range(40):
		    c.execute("CREATE TABLE m%d(id INTEGER PRIMARY KEY, v UNIQUE)" % n)
	END
	attach n1 many.db
	python3 - "$HL_T/files/many.db" <<-'END'
		import sqlite3, sys
		c = sqlite3.connect(sys.argv[1], timeout=10, isolation_level=None)
		for r in range(3):
		    for n in range(40):
		        c.executescript("BEGIN IMMEDIATE; CREATE TABLE t2(id INTEGER PRIMARY KEY, v UNIQUE); INSERT INTO t2 SELECT * FROM m%d; DROP TABLE m%d; ALTER TABLE t2 RENAME TO m%d; COMMIT" % (n, n, n))
		        c.execute("INSERT INTO m%d VALUES (?, ?)" % n, (r, r))
	END
	wait_until 30 settled n1 many.db
	for n in {0..39}; do
		wait_until 5 counts n1 "m$n" 3 || { echo "m$n"; attached n1 many.db | jq -c '.state, .log_rows'; return 1; }
	done
	[ "$(app many.db "SELECT count(*) FROM sqlite_schema WHERE type = 'trigger'")" = 240 ]
}

@test "detach while the application writes: what is in the file is in the database" {
	app det.db "PRAGMA journal_mode=WAL; CREATE TABLE det(id INTEGER PRIMARY KEY, v)"
	attach n1 det.db
	python3 -c '
import sqlite3, sys, os, time
c = sqlite3.connect(sys.argv[1], timeout=10, isolation_level=None)
i = 0
while not os.path.exists(sys.argv[2]):
    c.execute("BEGIN IMMEDIATE"); c.execute("INSERT INTO det VALUES (?, NULL)", (i,)); i += 1
    logged = c.execute("SELECT count(*) FROM sqlite_schema WHERE name = \"__hubleaf_log\"").fetchone()[0]
    if not logged: c.execute("ROLLBACK"); break
    c.execute("COMMIT")
    time.sleep(0.002)
' "$HL_T/files/det.db" "$HL_T/stop" &
	wait_until 10 has_row n1 det 10
	detach n1 det.db
	touch "$HL_T/stop"
	wait $!
	counts n1 det "$(app det.db 'SELECT count(*) FROM det')"
	[ "$(app det.db 'SELECT count(*) FROM sqlite_schema')" = 1 ]
}

@test "no room for what comes: said as it is, once, and in the file when there is" {
	local file=room/f.db i

	mkdir -p "$HL_T/files/room"
	mount -t tmpfs -o size=600k none "$HL_T/files/room" 2>/dev/null || skip 'cannot mount'
	app $file 'PRAGMA journal_mode=WAL; CREATE TABLE room(id INTEGER PRIMARY KEY, v)'
	attach n1 $file
	for i in {1..8}; do
		upsert n1 room "{\"id\":$i,\"v\":\"$(printf %0100000d 0)\"}"
	done
	wait_until 20 attached_is n1 f.db '.state | test("disk is full")'
	ok n1 '{"operation":"describe_all"}' '.dev | has("room")'
	mount -o remount,size=20m "$HL_T/files/room"
	wait_until 20 settled n1 f.db
	file_has $file 'SELECT count(*) FROM room' 8
	[ "$(grep -c 'f.db: .*disk is full' "$HL_T/nodes/n1/log")" = 1 ]
	! grep -q 'f.db.*cannot rollback' "$HL_T/nodes/n1/log" || return 1
	detach n1 $file
	umount "$HL_T/files/room"
}
