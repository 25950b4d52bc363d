#!/usr/bin/env bats
# SQLite files of applications: comparing, stops that are none, files from before.

load node.bash
load lite.bash

start_nodes()
{
	lite_start n1 n2 n3
	for f in x y z; do
		app $f.db "PRAGMA journal_mode=WAL; CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT, b)"
	done
	attach n1 x.db
	for n in n2 n3; do
		subscribe n1 $n t true true 2000-01-01T00:00:00.000Z
	done
	subscribe n2 n3 t true true 2000-01-01T00:00:00.000Z
	attach n2 y.db
	attach n3 z.db
	app x.db "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM n WHERE i < 2000) INSERT INTO t SELECT i, 'a' || i, i FROM n"
	same_files 20 t x.db y.db z.db
}

all_three()
{
	same_files "$1" t x.db y.db z.db
	for f in x y z; do
		[ "$(app $f.db 'PRAGMA integrity_check')" = ok ]
	done
}

# An application that turned our triggers off, as any may.
unseen()	# unseen FILE SQL
{
	python3 - "$HL_T/files/$1" "$2" <<-'END'
		import sqlite3, sys, ctypes, ctypes.util
		lib = ctypes.CDLL(ctypes.util.find_library("sqlite3"))
		db, on = ctypes.c_void_p(), ctypes.c_int()
		assert lib.sqlite3_open(sys.argv[1].encode(), ctypes.byref(db)) == 0
		lib.sqlite3_busy_timeout(db, 5000)
		assert lib.sqlite3_db_config(db, 1003, 0, ctypes.byref(on)) == 0
		assert lib.sqlite3_exec(db, sys.argv[2].encode(), None, None, None) == 0
		lib.sqlite3_close(db)
	END
}

@test "verify_sqlite finds what was changed unseen, and repairs it either way" {
	wait_until 5 settled n1 x.db
	ok n1 "$(lite verify_sqlite x.db)" '.missing_in_file == 0 and .only_in_file == 0 and .different == 0 and .rows == 2000 and .quick_check == "ok" and .foreign_key_violations == 0'
	unseen x.db "UPDATE t SET a = 'unseen' WHERE id = 5; DELETE FROM t WHERE id = 6; INSERT INTO t VALUES (9000, 'unseen', 1)"
	ok n1 "$(lite verify_sqlite x.db)" '.missing_in_file == 1 and .only_in_file == 1 and .different == 1'
	has_row n1 t 5 '.a == "a5"'
	ok n1 "$(lite verify_sqlite x.db '"repair":"file"')" '.missing_in_file == 1 and .only_in_file == 1 and .different == 1'
	all_three 10
	file_has x.db 'SELECT count(*) FROM t' 2000
	unseen y.db "UPDATE t SET a = 'unseen' WHERE id = 5; DELETE FROM t WHERE id = 6; INSERT INTO t VALUES (9000, 'unseen', 1)"
	ok n2 "$(lite verify_sqlite y.db '"repair":"database"')" '.different == 3'
	wait_until 10 file_has x.db "SELECT count(*) FROM t WHERE a = 'unseen'" 2
	all_three 10
}

@test "all rows are compared by themselves, each so often: what differs is said, and not touched" {
	ok n1 '{"operation":"set_configuration","sqlite_verifyInterval":1}'
	wait_until 5 settled n1 x.db
	unseen x.db "UPDATE t SET a = 'in silence' WHERE id = 7; DELETE FROM t WHERE id = 8"
	wait_until 15 attached_is n1 x.db '.differing_rows == 2 and (.verified | test("^20"))'
	grep '1 rows are missing in the file, 0 there alone, 1 different' "$HL_T/nodes/n1/log"
	has_row n1 t 7 '.a != "in silence"'
	file_has x.db "SELECT a FROM t WHERE id = 7" 'in silence'
	ok n1 "$(lite verify_sqlite x.db '"repair":"file"')"
	wait_until 15 attached_is n1 x.db '.differing_rows == 0'
	ok n1 '{"operation":"set_configuration","sqlite_verifyInterval":"7d"}'
	all_three 10
}

@test "the application writes while the node is down: it is taken at the start" {
	node_stop n1
	from=$(wc -l <"$HL_T/nodes/n1/log")
	app x.db "UPDATE t SET a = 'while down' WHERE id BETWEEN 10 AND 20; DELETE FROM t WHERE id = 30; INSERT INTO t VALUES (5000, 'while down', 0)"
	[ "$(app x.db 'SELECT count(*) FROM __hubleaf_log')" = 13 ]
	node_run n1
	wait_until 20 file_has z.db 'SELECT count(*) FROM t WHERE a = '"'while down'" 12
	all_three 15
	! tail -n "+$from" "$HL_T/nodes/n1/log" | grep 'rows were missing in the file' || false
}

@test "what was written later elsewhere is newer than what was written before, while the node was down" {
	node_stop n1
	app x.db "UPDATE t SET a = 'earlier', b = 'earlier' WHERE id = 40"
	app y.db "UPDATE t SET a = 'later' WHERE id = 40"
	wait_until 5 file_has z.db 'SELECT a FROM t WHERE id = 40' later
	node_run n1
	wait_until 20 file_has z.db 'SELECT b FROM t WHERE id = 40' earlier
	all_three 15
	file_has x.db 'SELECT a FROM t WHERE id = 40' later
}

@test "after a power cut the file may lack its last transactions: they come back" {
	wait_until 5 settled n1 x.db
	cp "$HL_T/files/x.db" "$HL_T/old.db"
	app x.db 'PRAGMA wal_checkpoint(TRUNCATE)'
	cp "$HL_T/files/x.db" "$HL_T/old.db"
	app x.db "UPDATE t SET a = 'lost' WHERE id BETWEEN 100 AND 110"
	wait_until 10 file_has y.db "SELECT count(*) FROM t WHERE a = 'lost'" 11
	power_cut n1
	rm -f "$HL_T/files/x.db-wal" "$HL_T/files/x.db-shm"
	cat "$HL_T/old.db" >"$HL_T/files/x.db"
	file_has x.db "SELECT count(*) FROM t WHERE a = 'lost'" 0
	node_run n1
	wait_until 20 file_has x.db "SELECT count(*) FROM t WHERE a = 'lost'" 11
	all_three 15
}

@test "a copy from before the last stop is brought level, also when that was in order" {
	wait_until 5 settled n1 x.db
	app x.db 'PRAGMA wal_checkpoint(TRUNCATE)'
	cp "$HL_T/files/x.db" "$HL_T/old.db"
	app x.db "UPDATE t SET a = 'after the copy' WHERE id BETWEEN 200 AND 210"
	wait_until 10 file_has y.db "SELECT count(*) FROM t WHERE a = 'after the copy'" 11
	node_stop n1
	rm -f "$HL_T/files/x.db-wal" "$HL_T/files/x.db-shm"
	cat "$HL_T/old.db" >"$HL_T/files/x.db"
	node_run n1
	wait_until 20 file_has x.db "SELECT count(*) FROM t WHERE a = 'after the copy'" 11
	all_three 15
}

@test "another file in its place is left alone, and said" {
	wait_until 5 settled n3 z.db
	app z.db 'PRAGMA wal_checkpoint(TRUNCATE)'
	for end in '' -wal -shm; do
		mv "$HL_T/files/z.db$end" "$HL_T/files/moved.db$end"
	done
	app z.db 'CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT, b)'
	wait_until 10 attached_is n3 z.db '.state | test("not the file that was attached")'
	file_has z.db 'SELECT count(*) FROM t' 0
	counts n3 t "$(app y.db 'SELECT count(*) FROM t')"
	rm -f "$HL_T"/files/z.db*
	for end in '' -wal -shm; do
		mv "$HL_T/files/moved.db$end" "$HL_T/files/z.db$end"
	done
	wait_until 10 attached_is n3 z.db '.state == "ok"'
	app z.db "INSERT INTO t VALUES (7000, 'back', 1)"
	all_three 15
}

@test "a file that is damaged is said after a start, and nothing of it is taken" {
	app bad.db "PRAGMA journal_mode=WAL; CREATE TABLE bad(id INTEGER PRIMARY KEY, a TEXT);
	    WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM n WHERE i < 3000) INSERT INTO bad SELECT i, hex(randomblob(20)) FROM n"
	attach n3 bad.db
	wait_until 10 counts n3 bad 3000
	app bad.db 'PRAGMA wal_checkpoint(TRUNCATE)'
	power_cut n3
	dd if=/dev/urandom of="$HL_T/files/bad.db" bs=4096 seek=20 count=2 conv=notrunc status=none
	node_run n3
	wait_until 20 attached_is n3 bad.db '.state | test("damaged")'
	counts n3 bad 3000
	wait_until 10 attached_is n3 z.db '.state == "ok"'
}

@test "a store from before, as after a restore, does not take back what the file has" {
	app solo.db "PRAGMA journal_mode=WAL; CREATE TABLE solo(id INTEGER PRIMARY KEY, a); INSERT INTO solo VALUES (1, 'old')"
	attach n1 solo.db
	wait_until 10 has_row n1 solo 1
	node_stop n1
	cp -a "$(root n1)/database" "$HL_T/database"
	node_run n1
	app solo.db "UPDATE solo SET a = 'new' WHERE id = 1; INSERT INTO solo VALUES (2, 'new')"
	wait_until 10 has_row n1 solo 2
	node_stop n1
	rm -r "$(root n1)/database"
	mv "$HL_T/database" "$(root n1)/database"
	node_run n1
	wait_until 10 attached_is n1 solo.db '.state | test("from before")'
	file_has solo.db 'SELECT a FROM solo WHERE id = 1' new
	has_row n1 solo 1 '.a == "old"'
	# It waits for an answer, also over a start.
	node_stop n1
	node_run n1
	wait_until 10 attached_is n1 solo.db '.state | test("from before")'
	ok n1 "$(lite verify_sqlite solo.db '"repair":"database"')"
	wait_until 10 has_row n1 solo 2 '.a == "new"'
	has_row n1 solo 1 '.a == "new"'
	wait_until 10 settled n1 solo.db
	detach n1 solo.db
}

@test "an application in rollback-journal mode, and one that waits for nothing" {
	app slow.db "PRAGMA journal_mode=DELETE; CREATE TABLE slow(id INTEGER PRIMARY KEY, a)"
	attach n1 slow.db
	jq -e '.journal_mode == "delete" and (.note | test("wal"))' <<<"$body"
	timeout 60 python3 - "$HL_T/files/slow.db" "$(port n1 api)" <<-'END'
		import sqlite3, sys, json, urllib.request, base64
		c = sqlite3.connect(sys.argv[1], timeout=0, isolation_level=None)
		ask = urllib.request.Request("http://127.0.0.1:%s/" % sys.argv[2], headers={"Content-Type": "application/json",
		    "Authorization": "Basic " + base64.b64encode(b"admin:admin-secret").decode()})
		for i in range(400):
		    if i % 10 == 0:
		        ask.data = json.dumps({"operation": "upsert", "database": "dev", "table": "slow",
		            "records": [{"id": 10000 + i, "a": "api"}]}).encode()
		        urllib.request.urlopen(ask).read()
		    while True:
		        try:
		            c.execute("INSERT INTO slow VALUES (?, 'app')", (i,))
		            break
		        except sqlite3.OperationalError as e:
		            assert "locked" in str(e), e
	END
	wait_until 15 file_has slow.db "SELECT count(*) FROM slow WHERE a = 'api'" 40
	file_has slow.db "SELECT count(*) FROM slow WHERE a = 'app'" 400
	wait_until 10 counts n1 slow 440
	[ "$(app slow.db 'PRAGMA journal_mode')" = delete ]
	detach n1 slow.db
}

# Holds the file until $HL_T/hold is gone.
holder()	# holder FILE SQL...
{
	exec timeout 60 python3 - "$HL_T/hold" "$HL_T/files/$1" "${@:2}" <<-'END'
		import sqlite3, sys, time, os
		c = sqlite3.connect(sys.argv[2], timeout=5, isolation_level=None)
		for sql in sys.argv[3:]:
		    c.execute(sql).fetchall()
		open(sys.argv[1] + "ing", "w").close()
		while os.path.exists(sys.argv[1]):
		    time.sleep(0.05)
		if c.in_transaction:
		    c.execute("COMMIT")
	END
}

@test "an application that keeps the file for itself holds up that file alone, and is said" {
	local pid
	app kept.db "PRAGMA journal_mode=WAL; CREATE TABLE kept(id INTEGER PRIMARY KEY, a, b)"
	touch "$HL_T/hold"
	holder kept.db "PRAGMA locking_mode=EXCLUSIVE" "INSERT INTO kept VALUES (1, 'x', 'y')" 3>&- &
	pid=$!
	wait_until 10 test -e "$HL_T/holding"
	refused n1 409 "$(lite attach_sqlite kept.db)" "another process holds it"
	rm "$HL_T/hold" "$HL_T/holding"
	wait $pid
	attach n1 kept.db
	wait_until 10 has_row n1 kept 1
	touch "$HL_T/hold"
	holder kept.db "BEGIN IMMEDIATE" "INSERT INTO kept VALUES (2, 'held', 1)" "UPDATE kept SET a = 'by the application' WHERE id = 1" 3>&- &
	pid=$!
	wait_until 10 test -e "$HL_T/holding"
	upsert n1 kept '{"id":3,"a":"waits"},{"id":1,"b":"by the API"}'
	app x.db "INSERT INTO t VALUES (800000, 'goes on', 1)"
	wait_until 10 has_row n2 t 800000
	wait_until 25 attached_is n1 kept.db '(.state | test("another process")) and .pending_rows == 2 and .busy > 0'
	rm "$HL_T/hold" "$HL_T/holding"
	wait $pid
	wait_until 10 file_has kept.db "SELECT a FROM kept WHERE id = 3" waits
	# What came meanwhile is not taken back by a change of another column.
	wait_until 10 file_has kept.db "SELECT a, b FROM kept WHERE id = 1" 'by the application|by the API'
	wait_until 10 has_row n1 kept 1 '.a == "by the application" and .b == "by the API"'
	has_row n1 kept 2
	wait_until 10 settled n1 kept.db
	detach n1 kept.db
}
