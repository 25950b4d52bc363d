#!/usr/bin/env bats
# SQLite files of applications: what is attached and refused, how changes are captured, read through the API and on another node, and
# written into another node's file.

load node.bash
load lite.bash

start_nodes()
{
	lite_start n1 n2
}

@test "only paths that the configuration names, and nothing but a SQLite file" {
	mkdir -p "$HL_T/elsewhere"
	sqlite3 "$HL_T/elsewhere/x.db" 'CREATE TABLE t(id INTEGER PRIMARY KEY)'
	refused n1 403 "{\"operation\":\"attach_sqlite\",\"database\":\"dev\",\"path\":\"$HL_T/elsewhere/x.db\"}" sqlite.paths
	refused n1 403 "{\"operation\":\"attach_sqlite\",\"database\":\"dev\",\"path\":\"$HL_T/files/../elsewhere/x.db\"}" sqlite.paths
	ln -s ../elsewhere/x.db "$HL_T/files/link.db"
	refused n1 400 "$(lite attach_sqlite link.db)" "symbolic link"
	ln -s ../elsewhere "$HL_T/files/folder"
	refused n1 403 "{\"operation\":\"attach_sqlite\",\"database\":\"dev\",\"path\":\"$HL_T/files/folder/x.db\"}" sqlite.paths
	refused n1 400 "$(lite attach_sqlite none.db)" "No such file"
	head -c 100000 /dev/urandom >"$HL_T/files/noise.db"
	refused n1 400 "$(lite attach_sqlite noise.db)" "not a database"
	refused n1 400 '{"operation":"attach_sqlite","database":"dev","path":"x.db"}' "'path' must be an absolute path"
	refused n1 400 "$(lite attach_sqlite x.db '"seed":"maybe"')" "'seed' must be one of"
	refused n1 400 "$(lite attach_sqlite x.db '"tables":[1]')" "'tables[0]' must be a name"
	refused n1 404 "$(lite detach_sqlite x.db)" "is not attached"
	refused n1 404 "$(lite verify_sqlite x.db)" "is not attached"
}

@test "an answer is the end of it: what is asked over the same connection at once finds it so" {
	local what=() body

	app again.db 'CREATE TABLE t(id INTEGER PRIMARY KEY)'
	for _ in {1..20}; do
		for body in "$(lite attach_sqlite none.db)" "$(lite attach_sqlite none.db)" "$(lite detach_sqlite none.db)" \
		    "$(lite attach_sqlite again.db)" "$(lite detach_sqlite again.db)" "$(lite detach_sqlite again.db)"; do
			what+=(--next -s -m 60 -u "$HL_USER:$HL_PASSWORD" -H 'Content-Type: application/json' -o "$HL_T/answer"
			    -w '%{http_code} ' -d "$body" "http://127.0.0.1:$(port n1 api)/")
		done
	done
	curl "${what[@]:1}" >"$HL_T/said"
	cat "$HL_T/said" "$HL_T/answer"
	[ "$(<"$HL_T/said")" = "$(printf '400 400 404 200 200 404 %.0s' {1..20})" ]
}

@test "what cannot be replicated is refused by its name and reason" {
	app odd.db 'CREATE TABLE nokey(a, b);
	    CREATE TABLE folded(name TEXT COLLATE NOCASE PRIMARY KEY, a);
	    CREATE TABLE wide(a,b,c,d,e,f,g,h,i, PRIMARY KEY(a,b,c,d,e,f,g,h,i));
	    CREATE TABLE times(id INTEGER PRIMARY KEY, __createdtime__);
	    CREATE VIEW seen AS SELECT * FROM nokey;
	    CREATE VIRTUAL TABLE found USING fts5(text);
	    CREATE TABLE good(id INTEGER PRIMARY KEY, a)'
	refused n1 400 "$(lite attach_sqlite odd.db '"tables":["nokey"]')" "'nokey' has no primary key"
	refused n1 400 "$(lite attach_sqlite odd.db '"tables":["folded"]')" "'name' compares by NOCASE"
	refused n1 400 "$(lite attach_sqlite odd.db '"tables":["wide"]')" "more than 8 columns"
	refused n1 400 "$(lite attach_sqlite odd.db '"tables":["times"]')" "column '__createdtime__'"
	refused n1 400 "$(lite attach_sqlite odd.db '"tables":["seen"]')" "'seen' is a view"
	refused n1 400 "$(lite attach_sqlite odd.db '"tables":["found"]')" "'found' is a virtual table"
	refused n1 400 "$(lite attach_sqlite odd.db '"tables":["missing"]')" "'missing' is not in the file"
	python3 - "$HL_T/files/odd.db" <<-'END'
		import sqlite3, sys
		c = sqlite3.connect(sys.argv[1])
		c.create_collation("mine", lambda a, b: (a > b) - (a < b))
		c.execute("CREATE TABLE sorted(id INTEGER PRIMARY KEY, a TEXT COLLATE mine UNIQUE)")
	END
	refused n1 400 "$(lite attach_sqlite odd.db '"tables":["sorted"]')" "an index compares by mine"
	# A dry run says the same of all, and changes nothing.
	before=$(app odd.db .dump | md5sum)
	attach n1 odd.db '"check":true'
	jq -e '(.refused | length == 5) and ([.tables[].table] == ["good"]) and (.tables[0].triggers | length == 4)' <<<"$body"
	jq -e '.tables[0].note | test("next number")' <<<"$body"
	[ "$(app odd.db .dump | md5sum)" = "$before" ]
	refused n1 404 "$(lite detach_sqlite odd.db)" "is not attached"
}

@test "a file is attached: its rows are rows of the node, with their values" {
	app a.db "PRAGMA journal_mode=WAL;
	    CREATE TABLE items(id INTEGER PRIMARY KEY, name TEXT, price REAL, raw BLOB, \"odd name\" ANY);
	    INSERT INTO items VALUES (1, 'one', 1.5, x'00ff', 9007199254740993), (2, 'two', 3.0, NULL, 9e999)"
	attach n1 a.db '"check":true'
	attach n1 a.db
	refused n1 409 "$(lite attach_sqlite a.db)" "attached"
	refused n2 409 "$(lite attach_sqlite a.db)" "another node"
	wait_until 10 counts n1 items 2
	has_row n1 items 1 '.name == "one" and .price == 1.5 and .raw == {"$b64":"AP8="}'
	has_row n1 items 2 '.["odd name"] == {"$real":"inf"}'
	found_by_id n1 items 1 | grep -F '9007199254740993'
}

@test "what the application changes is seen soon: inserts, updates, deletes, another key" {
	app a.db "INSERT INTO items(id, name) VALUES (3, 'three'), (4, 'four');
	    UPDATE items SET price = 9 WHERE id = 1; DELETE FROM items WHERE id = 2; UPDATE items SET id = 40 WHERE id = 4"
	wait_until 5 has_row n1 items 40 '.name == "four"'
	has_no_row n1 items 4
	has_no_row n1 items 2
	has_row n1 items 1 '.price == 9 and .name == "one"'
	# An attribute that was not touched keeps its time.
	ok n1 '{"operation":"read_transaction_log","database":"dev","table":"items"}' \
	    '[.[] | select(.operation | . == "upsert" or . == "update").records[]] | any(has("price") and (has("name") | not))'
	wait_until 5 settled n1 a.db
	[ "$(app a.db 'SELECT count(*) FROM __hubleaf_log')" = 0 ]
}

@test "Python's module, without trust in schemas, in transactions that are taken back and ones that are not" {
	python3 - "$HL_T/files/a.db" <<-'END'
		import sqlite3, sys
		c = sqlite3.connect(sys.argv[1], timeout=5)
		c.execute("PRAGMA trusted_schema=OFF")
		c.execute("PRAGMA recursive_triggers=ON")
		c.execute("INSERT INTO items(id, name) VALUES (50, 'kept')")
		c.commit()
		c.execute("INSERT INTO items(id, name) VALUES (51, 'taken back')")
		c.rollback()
		c.execute("INSERT OR REPLACE INTO items(id, name) VALUES (50, 'replaced')")
		c.commit()
		assert c.execute("INSERT INTO items(name) VALUES ('last') RETURNING id").fetchone()[0] == 51
		c.commit()
		assert c.execute("SELECT last_insert_rowid()").fetchone()[0] == 51
	END
	wait_until 5 has_row n1 items 51 '.name == "last"'
	has_row n1 items 50 '.name == "replaced"'
}

@test "the table replicates as any other: to a node, and from there into that node's own file" {
	subscribe n1 n2 items true true 2000-01-01T00:00:00.000Z
	wait_until 10 has_row n2 items 51
	app b.db "PRAGMA journal_mode=WAL;
	    CREATE TABLE items(id INTEGER PRIMARY KEY, name TEXT, price REAL, raw BLOB, \"odd name\" ANY)"
	attach n2 b.db
	same_files 10 items a.db b.db
	wait_until 5 settled n2 b.db
	app b.db "INSERT INTO items(id, name) VALUES (100, 'from b'); UPDATE items SET price = 77 WHERE id = 1"
	wait_until 10 file_has a.db 'SELECT price FROM items WHERE id = 1' 77.0
	app a.db "DELETE FROM items WHERE id = 3"
	wait_until 10 file_has b.db 'SELECT count(*) FROM items WHERE id = 3' 0
	same_files 10 items a.db b.db
	# What was written into a file is not taken out of it again.
	wait_until 5 settled n1 a.db
	[ "$(app a.db 'SELECT count(*) FROM __hubleaf_log')" = 0 ]
	wait_until 5 attached_is n2 b.db '.captured_rows == 2'
}

@test "what the API writes is in both files" {
	upsert n1 items '{"id":200,"name":"by the API","price":2},{"id":1,"name":"renamed"}'
	delete n2 items 100
	wait_until 10 file_has b.db 'SELECT name, price FROM items WHERE id = 200' 'by the API|2.0'
	wait_until 10 file_has a.db 'SELECT name, price FROM items WHERE id = 1' 'renamed|77.0'
	wait_until 10 file_has a.db 'SELECT count(*) FROM items WHERE id = 100' 0
	same_files 10 items a.db b.db
}

@test "SQL over tables that are in files" {
	ok n2 '{"operation":"sql","sql":"SELECT count(*) AS n, max(price) AS most FROM dev.items WHERE price > 50"}' '.[0].n == 1 and .[0].most == 77'
	ok n1 '{"operation":"sql","sql":"UPDATE dev.items SET price = 78 WHERE id = 1"}'
	wait_until 10 file_has b.db 'SELECT price FROM items WHERE id = 1' 78.0
	wait_until 10 file_has a.db 'SELECT price FROM items WHERE id = 1' 78.0
}

@test "two hundred rows that are changed in both files at once are equal afterwards" {
	app a.db "WITH RECURSIVE n(i) AS (VALUES(1000) UNION ALL SELECT i+1 FROM n WHERE i < 1199) INSERT INTO items(id, name) SELECT i, 'x' FROM n"
	wait_until 10 file_has b.db 'SELECT count(*) FROM items WHERE id >= 1000' 200
	node_kill n1 leaf STOP
	app a.db "UPDATE items SET name = 'a' || id, price = 1 WHERE id >= 1000"
	app b.db "UPDATE items SET name = 'b' || id WHERE id >= 1000; DELETE FROM items WHERE id BETWEEN 1190 AND 1195"
	wait_until 5 settled n2 b.db
	node_kill n1 leaf CONT
	wait_until 20 file_has a.db "SELECT count(*) FROM items WHERE id >= 1000 AND name LIKE 'b%' AND price = 1" 194
	same_files 10 items a.db b.db
}

@test "detach: the file is as it was, and the rows stay with the node" {
	detach n2 b.db
	[ "$(app b.db "SELECT count(*) FROM sqlite_schema WHERE name LIKE '\_\_hub%' ESCAPE '\'")" = 0 ]
	[ "$(app b.db 'SELECT count(*) FROM sqlite_schema')" = 1 ]
	app b.db "DELETE FROM items WHERE id = 1"
	has_row n2 items 1
	! attached n2 b.db || return 1
	# Again, with rows on both sides: whose count must be said.
	refused n2 409 "$(lite attach_sqlite b.db)" "say with 'seed'"
	attach n2 b.db '"seed":"cluster"'
	same_files 10 items a.db b.db
	detach n2 b.db
	app b.db "DELETE FROM items WHERE id = 1; INSERT INTO items(id, name) VALUES (3000, 'new in b'); UPDATE items SET name = 'the file counts' WHERE id = 50"
	attach n2 b.db '"seed":"local"'
	wait_until 10 file_has a.db 'SELECT name FROM items WHERE id = 50' 'the file counts'
	wait_until 10 file_has b.db 'SELECT count(*) FROM items WHERE id = 1' 1
	same_files 10 items a.db b.db
	file_has a.db 'SELECT name FROM items WHERE id = 3000' 'new in b'
}

@test "a table in a file is not dropped by a node alone" {
	refused n1 409 '{"operation":"drop_table","database":"dev","table":"items"}' "detach_sqlite"
	refused n1 409 '{"operation":"drop_database","database":"dev"}' "detach_sqlite"
}

@test "a file is made out of what its table was elsewhere" {
	app made.db "PRAGMA journal_mode=WAL; CREATE TABLE notes(id TEXT PRIMARY KEY NOT NULL, n INTEGER NOT NULL DEFAULT 5 CHECK (n > 0)) WITHOUT ROWID;
	    CREATE INDEX by_n ON notes(n); INSERT INTO notes VALUES ('a', 1)"
	attach n1 made.db
	jq -e '.tables[0] | has("note") | not' <<<"$body"
	subscribe n1 n2 notes true true 2000-01-01T00:00:00.000Z
	wait_until 10 has_row n2 notes '"a"'
	attach n2 new.db '"create":true,"tables":["notes"]'
	same_files 10 notes made.db new.db
	[ "$(app new.db .schema | grep -v hubleaf)" = "$(app made.db .schema | grep -v hubleaf)" ]
}

@test "a file that is to be made: named in sqlite.paths itself, with the rights of its folder, and gone when it was refused" {
	mkdir -m 2770 "$HL_T/shop"
	refused n2 403 "{\"operation\":\"attach_sqlite\",\"database\":\"dev\",\"path\":\"$HL_T/shop/other.db\",\"create\":true}" sqlite.paths
	refused n2 400 "{\"operation\":\"attach_sqlite\",\"database\":\"empty\",\"path\":\"$HL_T/shop/app.db\",\"create\":true}" "none in 'empty'"
	[ -z "$(ls "$HL_T/shop")" ]
	detach n2 new.db
	ok n2 "{\"operation\":\"attach_sqlite\",\"database\":\"dev\",\"path\":\"$HL_T/shop/app.db\",\"create\":true,\"tables\":[\"notes\"]}"
	[ "$(stat -c %a "$HL_T/shop/app.db")" = 660 ]
	ok n2 "{\"operation\":\"detach_sqlite\",\"database\":\"dev\",\"path\":\"$HL_T/shop/app.db\"}"
}

@test "a file is made as its table is now, with what renamed columns hold" {
	app made.db "BEGIN; ALTER TABLE notes RENAME COLUMN n TO amount; ALTER TABLE notes ADD COLUMN word TEXT DEFAULT 'none';
	    CREATE INDEX by_word ON notes(word); COMMIT"
	wait_until 10 has_row n2 notes '"a"' '.amount == 1 and (has("word") | not)'
	attach n2 renamed.db '"create":true,"tables":["notes"]'
	same_files 10 notes made.db renamed.db
	[ "$(app renamed.db .schema | grep -v hubleaf)" = "$(app made.db .schema | grep -v hubleaf)" ]
	detach n2 renamed.db
}

@test "rows do not leave a file for a database that has none yet" {
	app full.db "CREATE TABLE lonely(id INTEGER PRIMARY KEY, a); INSERT INTO lonely VALUES (1, 'x')"
	refused n2 409 "$(lite attach_sqlite full.db '"seed":"cluster"')" "start_time"
	refused n2 409 "$(lite attach_sqlite full.db '"seed":"cluster","check":true')" "start_time"
	attach n2 full.db '"check":true'
	jq -e '.message | test("nothing was changed")' <<<"$body"
	file_has full.db 'SELECT count(*) FROM lonely' 1
}
