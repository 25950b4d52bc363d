#!/usr/bin/env bats
# Applications with SQLite libraries of their own write on three nodes while rows come and go, and processes of all kinds are killed.

load node.bash
load lite.bash

setup_file()
{
	hl_begin
	cp -r "$HL_SRC/test/sqliteapp" "$HL_T/sqliteapp"
	rm -rf "$HL_T/sqliteapp/node_modules"
	npm ci --prefix "$HL_T/sqliteapp" --ignore-scripts >"$HL_T/npm.log" 2>&1 3>&- || :
	start_nodes
}

start_nodes()
{
	local f mode

	lite_start n1 n2 n3
	for f in x:WAL y:WAL z:DELETE; do
		mode=${f#*:}
		app "${f%:*}.db" "PRAGMA journal_mode=$mode;
		    CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT, b);
		    CREATE TABLE child(id INTEGER PRIMARY KEY, t INTEGER NOT NULL REFERENCES t ON DELETE CASCADE, note ANY)"
	done
	attach n1 x.db
	for t in t child; do
		for n in n2 n3; do
			subscribe n1 $n $t true true 2000-01-01T00:00:00.000Z
		done
		subscribe n2 n3 $t true true 2000-01-01T00:00:00.000Z
	done
	attach n2 y.db
	attach n3 z.db
	app x.db "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM n WHERE i < 200) INSERT INTO t SELECT i, 'a' || i, i FROM n"
	same_files 20 t x.db y.db z.db
}

all_three()	# all_three SECONDS: equal and whole
{
	local t f

	for t in t child; do
		same_files "$1" $t x.db y.db z.db
	done
	for f in x y z; do
		[ "$(app $f.db 'PRAGMA integrity_check; PRAGMA foreign_key_check')" = ok ]
	done
}

# Python's module; the third argument is its busy timeout: a row that is refused is tried again.
python_writes()	# python_writes FILE FROM SECONDS OUTPUT
{
	exec timeout 100 python3 - "$HL_T/files/$1" "$2" "$3" "$4" <<-'END'
		import sqlite3, sys, time
		path, first, wait, out = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), open(sys.argv[4], "a", buffering=1)
		c = sqlite3.connect(path, timeout=wait, isolation_level=None)

		def again(work):
		    while True:
		        try:
		            return work()
		        except sqlite3.OperationalError as e:
		            assert "locked" in str(e), e
		            if c.in_transaction:
		                c.execute("ROLLBACK")

		def add():
		    c.execute("BEGIN IMMEDIATE")
		    c.execute("INSERT INTO t VALUES (?, ?, 0)", (n, "python %d" % n))
		    c.executemany("INSERT INTO child VALUES (?, ?, ?)", [(2 * n, n, None), (2 * n + 1, n, b"\0\xff")])
		    c.execute("UPDATE t SET b = ? WHERE id = ?", (n, 1 + i * 104729 % 200))
		    c.execute("COMMIT")

		again(lambda: c.execute("PRAGMA foreign_keys = ON"))
		i, seen = 0, 0
		while i < 150 or seen < 5:
		    n = first + i
		    again(add)
		    out.write("+%d\n" % n)
		    if i % 10 == 9:
		        again(lambda: c.execute("DELETE FROM t WHERE id = ?", (n - 5,)))
		        out.write("-%d\n" % (n - 5))
		        seen = again(lambda: c.execute("SELECT count(DISTINCT id / 1000000) FROM t WHERE id >= 1000000").fetchone())[0]
		    i += 1
		    time.sleep(0.002)
	END
}

shell_writes()	# shell_writes FILE FROM OUTPUT: the sqlite3 shell, started for each transaction
{
	local i id seen=0

	for ((i = 0; i < 150 || seen < 5; i++)); do
		id=$(($2 + i))
		app "$1" "BEGIN IMMEDIATE; INSERT INTO t VALUES ($id, 'shell', 0); INSERT INTO child VALUES ($((2 * id)), $id, 'one'), ($((2 * id + 1)), $id, 2);
		    UPDATE t SET b = $id WHERE id = $((1 + i * 31 % 200)); COMMIT" || exit 1
		echo "+$id" >>"$3"
		((i % 10 == 9)) || continue
		app "$1" "PRAGMA foreign_keys = ON; DELETE FROM t WHERE id = $((id - 5))" || exit 1
		echo "-$((id - 5))" >>"$3"
		seen=$(app "$1" 'SELECT count(DISTINCT id / 1000000) FROM t WHERE id >= 1000000')
	done
}

# What applications were told that it is in, and is not gone since, is in the file; else the first that is not.
nothing_lost()	# nothing_lost FILE OUTPUT...
{
	app "$1" 'SELECT id FROM t' | sort >"$HL_T/have"
	sed -n 's/^+//p' "${@:2}" | sort >"$HL_T/made"
	sed -n 's/^-//p' "${@:2}" | sort >"$HL_T/removed"
	[ -s "$HL_T/made" ]
	comm -23 "$HL_T/made" "$HL_T/removed" | comm -13 "$HL_T/have" - | head -n 3 | tee "$HL_T/lost"
	comm -12 "$HL_T/have" "$HL_T/removed" | head -n 3 | tee -a "$HL_T/lost"
	[ ! -s "$HL_T/lost" ]
}

@test "the sqlite3 shell, npm's and Python's libraries, one that waits for nothing, one with a rollback journal: files end equal" {
	local pids=() p
	if [ ! -d "$HL_T/sqliteapp/node_modules/@photostructure" ]; then
		command -v npm >/dev/null || loud_skip "npm is not installed: its SQLite library is not tested"
		timeout 60 npm ping >/dev/null 2>&1 || loud_skip "npm has no registry: its SQLite library is not tested"
		cat "$HL_T/npm.log"
		return 1
	fi
	shell_writes x.db 1000000 "$HL_T/wrote.1" 3>&- &
	pids+=($!)
	(exec timeout 100 node "$HL_T/sqliteapp/write.js" "$HL_T/files/x.db" 2000000 "$HL_T/wrote.2" 3>&-) &
	pids+=($!)
	python_writes y.db 3000000 10 "$HL_T/wrote.3" 3>&- &
	pids+=($!)
	python_writes y.db 4000000 0 "$HL_T/wrote.4" 3>&- &
	pids+=($!)
	python_writes z.db 5000000 10 "$HL_T/wrote.5" 3>&- &
	pids+=($!)
	for p in "${pids[@]}"; do
		wait "$p"
	done
	all_three 60
	[ "$(app z.db 'PRAGMA journal_mode')" = delete ]
	nothing_lost z.db "$HL_T"/wrote.[1-5]
	for n in n1 n2 n3; do
		wait_until 10 counts $n t "$(app x.db 'SELECT count(*) FROM t')"
	done
}

@test "servers are gone while an application writes: nothing of it is lost" {
	local i
	node_kill n1 leafd STOP
	node_kill n1 leaf
	for ((i = 0; i < 50; i++)); do
		app x.db "INSERT INTO t VALUES ($((6000000 + i)), 'no servers', 0)"
	done
	app y.db "UPDATE t SET a = 'by the other' WHERE id <= 100"
	app x.db "UPDATE t SET b = 'by this one' WHERE id <= 100"
	wait_until 10 settled n1 x.db
	node_kill n1 leafd CONT
	all_three 40
	file_has z.db "SELECT count(*) FROM t WHERE a = 'no servers'" 50
	file_has z.db "SELECT count(*) FROM t WHERE a = 'by the other' AND b = 'by this one'" 100
}

@test "a row of three megabytes, and a transaction of 20000 rows" {
	app x.db "INSERT INTO t VALUES (6100000, 'large', randomblob(3000000))"
	app y.db "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM n WHERE i < 20000) INSERT INTO t SELECT 6200000 + i, 'many', randomblob(50) FROM n"
	wait_until 40 file_has z.db "SELECT count(*) FROM t WHERE a IN ('large', 'many')" 20001
	all_three 40
	app y.db "DELETE FROM t WHERE id > 6000000"
	wait_until 40 file_has z.db "SELECT count(*) FROM t WHERE id > 6000000" 0
	all_three 40
}

@test "a WAL is not held: the application's checkpoint takes all of it" {
	wait_until 10 settled n1 x.db
	wait_until 10 file_has x.db "PRAGMA wal_checkpoint(TRUNCATE)" '0|0|0'
	[ ! -s "$HL_T/files/x.db-wal" ]
	app x.db "UPDATE t SET b = 'after it' WHERE id = 1"
	wait_until 10 file_has z.db "SELECT b FROM t WHERE id = 1" 'after it'
}

@test "AUTOINCREMENT on two nodes gives one id twice: files are equal, and no row is half of each" {
	local f
	for f in x y; do
		app auto-$f.db 'PRAGMA journal_mode=WAL; CREATE TABLE auto(id INTEGER PRIMARY KEY AUTOINCREMENT, a TEXT, b TEXT)'
	done
	attach n1 auto-x.db
	subscribe n1 n2 auto true true 2000-01-01T00:00:00.000Z
	wait_until 10 has_table n2 auto
	attach n2 auto-y.db
	node_kill n1 leafd STOP
	app auto-x.db "INSERT INTO auto(a, b) VALUES ('x', 'x'), ('x', 'x')"
	app auto-y.db "INSERT INTO auto(a, b) VALUES ('y', 'y'), ('y', 'y'), ('y', 'y')"
	wait_until 10 settled n1 auto-x.db
	wait_until 10 settled n2 auto-y.db
	node_kill n1 leafd CONT
	same_files 20 auto auto-x.db auto-y.db
	file_has auto-x.db 'SELECT count(*), sum(a <> b) FROM auto' '3|0'
	# The next one is above all that came.
	app auto-x.db "INSERT INTO auto(a, b) VALUES ('x', 'next')"
	file_has auto-x.db "SELECT id FROM auto WHERE b = 'next'" 4
	same_files 20 auto auto-x.db auto-y.db
}

has_table()
{
	ok "$1" "{\"operation\":\"describe_table\",\"database\":\"dev\",\"table\":\"$2\"}"
}

@test "only one way, only one table: what is not subscribed stays where it is" {
	local f
	for f in x y; do
		app way-$f.db 'PRAGMA journal_mode=WAL; CREATE TABLE way(id INTEGER PRIMARY KEY, a); CREATE TABLE private(id INTEGER PRIMARY KEY, a)'
	done
	attach n1 way-x.db '"tables":["way"]'
	subscribe n1 n2 way true false
	wait_until 10 has_table n2 way
	attach n2 way-y.db '"tables":["way"]'
	app way-x.db "INSERT INTO private VALUES (1, 'here')"
	app way-y.db "INSERT INTO way VALUES (2, 'not back')"
	wait_until 10 has_row n2 way 2
	app way-x.db "INSERT INTO way VALUES (1, 'there')"
	wait_until 10 file_has way-y.db 'SELECT count(*) FROM way' 2
	wait_until 10 settled n1 way-x.db
	file_has way-x.db 'SELECT count(*) FROM way' 1
	file_has way-y.db 'SELECT count(*) FROM private' 0
	refused n1 404 '{"operation":"describe_table","database":"dev","table":"private"}' private
}

written()	# written N: so many lines in all by the applications
{
	[ "$(cat "$HL_T"/crash.* | wc -l)" -ge "$1" ]
}

crash_one()	# at random: a process of a node, a whole node, or an application
{
	local n=n$((1 + RANDOM % 3)) all=(opsd opsd opsd leafd hubd hub leaf run node app) what i

	what=${all[RANDOM % ${#all[@]}]}
	echo "# kill -9: $what of $n"
	case $what in
	app)
		i=$((RANDOM % 3))
		kill -KILL "${apps[i]}" 2>/dev/null || :
		wait "${apps[i]}" || :
		restart_app $i
		;;
	run | node)
		if [ $what = node ]; then
			power_cut $n
		else
			node_kill $n run
			wait_until 20 node_is_gone $n || power_cut $n
		fi
		node_run $n
		;;
	*)	node_kill $n $what 2>/dev/null || : ;;
	esac
}

restart_app()	# restart_app 0|1|2
{
	local files=(x.db y.db z.db) first=$((10000000 * ($1 + 1) + 100000 * starts++))

	# Its last word may be cut.
	steady_writes "${files[$1]}" $first "$HL_T/crash.$first" 3>&- &
	apps[$1]=$!
}

# Until it is told to end.
steady_writes()	# steady_writes FILE FROM OUTPUT
{
	exec timeout 300 python3 - "$HL_T/files/$1" "$2" "$3" "$HL_T/go" <<-'END'
		import sqlite3, sys, time, os
		path, first, out, go = sys.argv[1], int(sys.argv[2]), open(sys.argv[3], "a", buffering=1), sys.argv[4]
		c = sqlite3.connect(path, timeout=20, isolation_level=None)
		i = 0
		while os.path.exists(go):
		    c.execute("BEGIN IMMEDIATE")
		    c.execute("INSERT INTO t VALUES (?, 'steady', 0)", (first + i,))
		    c.execute("UPDATE t SET b = ? WHERE id = ?", (first + i, 1 + i * 7919 % 200))
		    c.execute("COMMIT")
		    out.write("+%d\n" % (first + i))
		    i += 1
		    time.sleep(0.005)
	END
}

@test "kill -9 of daemons, servers, nodes and applications: nothing acknowledged is lost, files end equal" {
	local apps=() starts=0 i seed=${HL_SEED:-$((EPOCHSECONDS % 32768))} want=0
	RANDOM=$seed
	echo "# HL_SEED=$seed"
	touch "$HL_T/go"
	: >"$HL_T/crash.0"
	for i in 0 1 2; do
		restart_app $i
	done
	for i in 1 2 3 4 5 6 7 8 9 10; do
		want=$(($(cat "$HL_T"/crash.* | wc -l) + 50 + RANDOM % 200))
		wait_until 30 written $want
		crash_one
	done
	rm "$HL_T/go"
	for i in 0 1 2; do
		wait "${apps[i]}"
	done
	for n in n1 n2 n3; do
		wait_until 30 node_answers $n
	done
	all_three 90
	nothing_lost y.db "$HL_T"/crash.*
}
