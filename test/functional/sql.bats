#!/usr/bin/env bats
# SQL: what SQLite itself answers about the same rows is the answer here, by every way there is:
# the same rows are in a table with indexes and in one without.

load node.bash

start_nodes()
{
	node_start n1
	create_tables
	fill_tables
}

create_tables()
{
	ok n1 '{"operation":"create_table","database":"dev","table":"indexed","primary_key":"id","attributes":[
	    {"name":"a","indexed":true},{"name":"b","indexed":true},{"name":"c"}]}'
	ok n1 '{"operation":"create_table","database":"dev","table":"plain","primary_key":"id"}'
	ok n1 '{"operation":"create_table","database":"dev","table":"dog","primary_key":"id","attributes":[
	    {"name":"age","indexed":true},{"name":"name"},{"name":"friend"},{"name":"tags"},{"name":"good"}]}'
}

VALUES='[0,1,2,3,2.5,-1,1e300,"a","ab","abc","b","é","","5",null]'

# Of 60 rows some lack an attribute.
fill_tables()
{
	jq -nc --argjson v "$VALUES" '[range(60) | . as $i | {id: (if $i % 9 == 8 then "k\($i)" else $i end),
	    a: $v[$i * 7 % 15], b: $v[$i * 4 % 13], c: $v[$i * 11 % 15]} | if $i % 10 == 9 then del(.a) else . end]' \
	    >"$HL_T/rows"
	for table in indexed plain; do
		jq -c --arg table "$table" '{operation: "insert", database: "dev", table: $table, records: .}' \
		    "$HL_T/rows" >"$HL_T/body"
		ok n1 "@$HL_T/body" '.skipped_hashes == []'
	done
	{
		echo 'CREATE TABLE T(id PRIMARY KEY, a, b, c) WITHOUT ROWID;'
		jq -r 'def sql: if type == "string" then "\u0027\(.)\u0027" else tojson end;
		    .[] | "INSERT INTO T VALUES(\(.id | sql), \(.a | sql), \(.b | sql), \(.c | sql));"' "$HL_T/rows"
	} | sqlite3 "$HL_T/oracle.db"
	sql "INSERT INTO dev.dog (id, name, age, friend, tags, good) VALUES (1, 'Penny', 5, 2, NULL, true),
	    (2, 'Bo', 3, 9, NULL, false), (3, 'Al', 7.5, 1, NULL, NULL)" '.inserted_hashes == [1, 2, 3]'
	ok n1 '{"operation":"update","database":"dev","table":"dog","records":[{"id":1,"tags":["calm",{"since":2020}]}]}'
}

sql()		# sql STATEMENT JQ
{
	jq -nc --arg sql "$1" '{operation: "sql", sql: $sql}' >"$HL_T/sql"
	ok n1 "@$HL_T/sql" "$2"
}

no()		# no STATUS STATEMENT TEXT
{
	jq -nc --arg sql "$2" '{operation: "sql", sql: $sql}' >"$HL_T/sql"
	refused n1 "$1" "@$HL_T/sql" "$3"
}

# Statements, one a line, are run over one connection; an answer a line.
run_here()	# run_here TABLE FILE
{
	sed "s/\bT\b/dev.$1/g" "$2" | jq -Rr --arg url "http://127.0.0.1:$(port n1 api)/" --arg user "$HL_USER:$HL_PASSWORD" '
	    "url = \($url)\nuser = \($user)\nheader = \"Content-Type: application/json\"\ndata-binary = \(
	    {operation: "sql", sql: .} | tojson | tojson)\nwrite-out = \"\\n\"\nnext"' | sed '$d' >"$HL_T/curl"
	curl -sS -m 300 -K "$HL_T/curl"
}

run_oracle()	# run_oracle FILE
{
	{
		echo .mode json
		sed 's/$/;/; a .print "\\n--"' "$1"
	} | sqlite3 "$HL_T/oracle.db" 2>&1 | jq -Rnr '
	    reduce inputs as $line ({out: [], now: ""}; if $line == "--" then {out: (.out + [.now]), now: ""}
	    else .now += $line end) | .out[] | if . == "" then "[]" else . end'
}

# Rows without an order are compared as a bag of them.
normal()	# normal FILE <ANSWERS
{
	paste -d '\n' "$1" - | jq -Rrc '. as $statement | input as $answer | $answer |
	    if startswith("[") then fromjson | map(to_entries | map(.value)) |
	    if $statement | test("ORDER BY") then . else sort end else . end'
}

compare()	# compare FILE
{
	local wrong

	run_oracle "$1" | normal "$1" >"$HL_T/expected"
	for table in indexed plain; do
		run_here "$table" "$1" | normal "$1" >"$HL_T/seen"
		[ "$(wc -l <"$1")" = "$(wc -l <"$HL_T/seen")" ]
		wrong=$(paste -d '\n' "$1" "$HL_T/expected" "$HL_T/seen" |
		    awk 'NR % 3 == 1 { s = $0 } NR % 3 == 2 { e = $0 } NR % 3 == 0 && $0 != e { print s "\n  expected " e "\n  seen     " $0 }' | head -n 9)
		[ -z "$wrong" ] || echo "$table: $wrong"
		[ -z "$wrong" ]
	done
	jq -s 'map(select(length > 0)) | length' "$HL_T/expected" >"$HL_T/with_rows"
}

@test "queries are answered as SQLite answers them" {
	awk -v seed=${SEED:-11} -v count=${COUNT:-400} -f "$HL_SRC/test/functional/sqlgen.awk" >"$HL_T/queries"
	compare "$HL_T/queries"
	[ "$(cat "$HL_T/with_rows")" -gt 100 ]
}

@test "what statements write is what SQLite writes" {
	awk -v seed=${SEED:-12} -v count=${WCOUNT:-60} -v kind=write -f "$HL_SRC/test/functional/sqlgen.awk" >"$HL_T/changes"
	run_oracle "$HL_T/changes" >/dev/null
	for table in indexed plain; do
		run_here "$table" "$HL_T/changes" >"$HL_T/answers"
		grep -c error "$HL_T/answers" >"$HL_T/errors" || true
		[ "$(cat "$HL_T/errors")" = 0 ]
	done
	echo 'SELECT id, a, b, c FROM T ORDER BY id' >"$HL_T/all"
	compare "$HL_T/all"
	awk -v seed=13 -v count=100 -f "$HL_SRC/test/functional/sqlgen.awk" >"$HL_T/queries"
	compare "$HL_T/queries"
}

@test "values keep their kinds: booleans, lists and objects, also where SQLite sorts" {
	sql 'SELECT id, good FROM dev.dog ORDER BY good DESC, id' \
	    'map([.id, .good]) == [[1, true], [2, false], [3, null]]'
	sql 'SELECT tags FROM dev.dog WHERE tags IS NOT NULL' '. == [{"tags": ["calm", {"since": 2020}]}]'
	sql "SELECT json_extract(tags, '\$[1].since') AS since, t.value FROM dev.dog d, json_each(d.tags) t WHERE d.id = 1 LIMIT 1" \
	    '. == [{"since": 2020, "value": "calm"}]'
	sql 'SELECT id FROM dev.dog WHERE good = true' '. == [{"id": 1}]'
	sql 'UPDATE dev.dog SET good = NOT good WHERE id = 2' '.update_hashes == [2]'
	ok n1 '{"operation":"search_by_id","database":"dev","table":"dog","ids":[2],"get_attributes":["good"]}' \
	    '. == [{"good": true}]'
	sql 'UPDATE dev.dog SET good = FALSE, old = true WHERE id = 2' '.update_hashes == [2]'
	ok n1 '{"operation":"search_by_id","database":"dev","table":"dog","ids":[2],"get_attributes":["good","old"]}' \
	    '. == [{"good": false, "old": true}]'
	sql "UPDATE dev.dog SET tags = json_insert(tags, '\$[2]', 'new') WHERE id = 1" '.update_hashes == [1]'
	ok n1 '{"operation":"search_by_id","database":"dev","table":"dog","ids":[1],"get_attributes":["tags"]}' \
	    '.[0].tags == ["calm", {"since": 2020}, "new"]'
	sql 'SELECT 9007199254740993 AS big, 0.1 AS small, NULL AS none' 'tojson | test("9007199254740993|9007199254740992")'
	sql 'SELECT d.id, f.id, f.name FROM dev.dog d LEFT JOIN dev.dog f ON f.id = d.friend ORDER BY d.id' \
	    '. == [{"id": 1, "id1": 2, "name": "Bo"}, {"id": 2, "id1": null, "name": null}, {"id": 3, "id1": 1, "name": "Penny"}]'
}

@test "writes answer as the record operations do, as one transaction" {
	no 404 "INSERT INTO dev.cat (id, name, weight) VALUES (1, 'Tom', 4)" "Table 'dev.cat' does not exist"
	ok n1 '{"operation":"create_table","table":"cat","primary_key":"id"}'
	sql "INSERT INTO cat (id, name) VALUE (1, 'Tom'), (2, 'Kit')" \
	    '. == {"message": "inserted 2 of 2 records", "inserted_hashes": [1, 2], "skipped_hashes": []}'
	sql "INSERT INTO data.cat (id, name) VALUES (1, 'Other'), (3, 'Ann')" \
	    '.inserted_hashes == [3] and .skipped_hashes == [1]'
	sql "INSERT INTO data.cat (name) VALUES ('Made')" '.inserted_hashes == [4]'
	sql "INSERT OR REPLACE INTO cat (id, age) VALUES (1, 7)" '. == {"message": "upserted 1 of 1 records", "upserted_hashes": [1]}'
	sql "SELECT name, age FROM cat WHERE id = 1" '. == [{"name": "Tom", "age": 7}]'
	sql "UPDATE cat SET name = upper(name) WHERE id < 3" \
	    '. == {"message": "updated 2 of 2 records", "update_hashes": [1, 2], "skipped_hashes": []}'
	sql "UPDATE cat SET name = 'x' WHERE id = 'nobody'" '.message == "updated 0 of 0 records" and .update_hashes == []'
	sql "DELETE FROM cat WHERE id = 3" '. == {"message": "1 of 1 record successfully deleted", "deleted_hashes": [3], "skipped_hashes": []}'
	sql "DELETE FROM cat" '.message == "3 of 3 records successfully deleted"'
	sql "SELECT count(*) AS n FROM cat" '. == [{"n": 0}]'
	ok n1 '{"operation":"read_transaction_log","table":"cat","limit":1}' 'length == 1'
}

@test "EXPLAIN says which way is gone" {
	explain() { sql "EXPLAIN $1" "[.[].detail] | join(\"; \") | test(\"$2\")"; }

	explain 'SELECT name FROM dev.dog WHERE id = 1' 'key id = '
	explain 'SELECT id FROM dev.indexed WHERE a = 2' 'index on a = '
	explain 'SELECT id FROM dev.indexed ORDER BY a DESC LIMIT 3' 'index on a, backwards$'
	explain 'SELECT id FROM dev.plain WHERE a = 2' 'all rows$'
	explain 'SELECT id FROM dev.plain WHERE id > 3 AND id <= 7 ORDER BY id DESC' 'key id > . and <= ., backwards$'
	explain 'QUERY PLAN SELECT id FROM dev.dog WHERE id = 1' 'key id = '
	explain 'DELETE FROM dev.dog WHERE id = 1' 'key id = '
	sql 'SELECT count(*) AS n FROM dev.dog' '. == [{"n": 3}]'
}

@test "what is refused says why, and changes nothing" {
	no 400 '' "'sql' is not allowed to be empty"
	no 400 '-- nothing' "'sql' must be a statement"
	no 400 'SELECT 1; SELECT 2' "'sql' must be one statement"
	no 400 'PRAGMA user_version' "'PRAGMA' is not allowed in 'sql'"
	no 400 "ATTACH '/etc/passwd' AS x" "'ATTACH' is not allowed"
	no 400 'CREATE TABLE dev.x (id)' "'CREATE' is not allowed"
	no 400 'WITH a AS (SELECT 1) PRAGMA user_version' "must be a statement"
	no 400 'SELECT * FROM sqlite_master' 'sqlite_master is not allowed'
	no 400 'SELECT * FROM pragma_table_list' 'is not allowed'
	no 400 "SELECT load_extension('x')" 'load_extension is not allowed'
	no 400 "SELECT x'00' AS b" "'b' has bytes"
	no 400 'SELECT nope FROM dev.dog' 'no such column: nope'
	no 400 'SELEC 1' "'SELEC' is not allowed"
	no 400 'SELECT FROM' 'syntax error'
	no 400 'SELECT "Penny" FROM dev.dog' 'no such column'
	no 400 "INSERT INTO dev.dog VALUES (1)" 'INSERT must name the attributes'
	no 400 "UPDATE dev.dog SET id = 9 WHERE id = 1" "'id' is the key of its row"
	no 400 "DELETE FROM dev.dog RETURNING id" "'RETURNING' is not allowed"
	no 400 "INSERT INTO dev.dog (id) VALUES (x'00')" "the value for 'id' is none that JSON has"
	no 400 "INSERT INTO dev.dog (id) VALUES (1.5), ('a/b')" "hash value"
	no 404 'SELECT * FROM dev.none' "Table 'dev.none' does not exist"
	no 404 'SELECT * FROM none.none' "database 'none' does not exist"
	no 404 'DELETE FROM dev.none' "Table 'dev.none' does not exist"
	no 403 "DELETE FROM system.hdb_user" "The 'system' database"
	no 403 "UPDATE system.hdb_role SET role = 'x'" "The 'system' database"
	sql 'SELECT count(*) AS n FROM dev.dog' '. == [{"n": 3}]'
	sql 'SELECT username FROM system.hdb_user' 'map(.username) | index("admin") != null'
	no 400 'SELECT hash FROM system.hdb_user' 'no such column: hash'
}

@test "a user sees and writes what its role grants" {
	ok n1 '{"operation":"add_role","role":"walker","permission":{"dev":{"tables":{"dog":{"read":true,"insert":false,
	    "update":true,"delete":false,"attribute_permissions":[
	    {"attribute_name":"name","read":true,"insert":false,"update":true},
	    {"attribute_name":"age","read":true,"insert":false,"update":false}]}}}}}'
	ok n1 '{"operation":"add_user","username":"walker","password":"walker","role":"walker","active":true}'
	HL_USER=walker HL_PASSWORD=walker
	sql 'SELECT * FROM dev.dog WHERE id = 1' '.[0] | has("name") and has("age") and has("id") and (has("good") | not)'
	no 403 'SELECT good FROM dev.dog' 'good'
	no 403 'SELECT name FROM dev.dog WHERE good = true' 'good'
	no 403 'SELECT name FROM dev.dog ORDER BY tags' 'tags'
	no 403 'SELECT id FROM dev.plain' 'plain'
	no 403 'SELECT id FROM dev.none' 'none'
	no 403 'SELECT username FROM system.hdb_user' "database 'system' does not exist"
	no 403 'DELETE FROM dev.dog' 'delete'
	no 403 "UPDATE dev.dog SET good = 1" 'good'
	no 403 "INSERT INTO dev.dog (id, name) VALUES (8, 'x')" 'insert'
	sql "UPDATE dev.dog SET name = 'Bobo' WHERE id = 2" '.update_hashes == [2]'
}

@test "limits: time, rows, memory, the size of a transaction" {
	ok n1 '{"operation":"set_configuration","sql_timeout":1,"sql_maxRows":100}'
	no 408 'WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) FROM c' 'sql.timeout'
	no 400 'SELECT x.id FROM dev.plain x, dev.plain y, dev.plain z' 'more than 100 rows (sql.maxRows)'
	ok n1 '{"operation":"set_configuration","sql_timeout":60,"sql_maxRows":1000000,"sql_maxMemory":16777216}'
	no 413 "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT 1000000)
	    SELECT n, hex(randomblob(50)) AS h FROM c ORDER BY h" 'sql.maxMemory'
	sql 'SELECT count(*) AS n FROM dev.dog' '. == [{"n": 3}]'
	ok n1 '{"operation":"set_configuration","sql_maxMemory":268435456}'
	no 413 "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT 100000)
	    INSERT INTO dev.dog (id, name) SELECT n + 100, printf('%200s', n) FROM c" 'transaction limit'
	sql 'SELECT count(*) AS n FROM dev.dog' '. == [{"n": 3}]'
}

@test "long answers come in pieces, in every format; exports and the command line have them" {
	local text='WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT 50000) SELECT n, n || '"'é'"' AS t FROM c'

	sql "$text" 'length == 50000 and .[49999] == {"n": 50000, "t": "50000é"}'
	jq -nc --arg sql "$text" '{operation: "sql", sql: $sql}' >"$HL_T/sql"
	curl -sS -u "$HL_USER:$HL_PASSWORD" -H 'Content-Type: application/json' -H 'Accept: text/csv' -d "@$HL_T/sql" \
	    "http://127.0.0.1:$(port n1 api)/" >"$HL_T/csv"
	[ "$(wc -l <"$HL_T/csv")" = 50001 ]
	[ "$(sed -n '50001 { s/\r//; p }' "$HL_T/csv")" = '50000,50000é' ]
	mkdir -p "$HL_T/export"
	jq -nc --arg sql "$text" --arg path "$HL_T/export" '{operation: "export_local", format: "json", path: $path,
	    filename: "all", search_operation: {operation: "sql", sql: $sql}}' >"$HL_T/export.json"
	"$HL_CLI" -c "$HL_T/nodes/n1/hubleaf.yaml" export_local "@$HL_T/export.json" wait=true >/dev/null
	jq -e 'length == 50000' "$HL_T/export/all.json"
	refused n1 400 '{"operation":"export_local","format":"json","path":"/tmp","search_operation":
	    {"operation":"sql","sql":"DELETE FROM dev.dog"}}' 'must be a SELECT'
	"$HL_CLI" -c "$HL_T/nodes/n1/hubleaf.yaml" sql 'SELECT id, name FROM dev.dog WHERE id = 1' >"$HL_T/table"
	grep -Eq '^ *1 +Penny' "$HL_T/table"
	"$HL_CLI" -c "$HL_T/nodes/n1/hubleaf.yaml" sql 'SELECT id FROM dev.dog WHERE id = 1' json=true | jq -e '. == [{"id": 1}]'
}

@test "an index with booleans and lists in it finds what a walk finds" {
	for table in mixed unmixed; do
		ok n1 "{\"operation\":\"create_table\",\"database\":\"dev\",\"table\":\"$table\",\"primary_key\":\"id\",
		    \"attributes\":[{\"name\":\"a\",\"indexed\":$([ "$table" = mixed ] && echo true || echo false)}]}"
		jq -nc --arg table "$table" '[true, false, 2, 0, 1, 0.5, "x", "[", [1], {"a": 1}, null] as $v | {operation: "insert",
		    database: "dev", table: $table, records: [range(110) | {id: ., a: $v[. % 11]}]}' >"$HL_T/body"
		ok n1 "@$HL_T/body"
	done
	while read -r rest; do
		jq -nc --arg sql "SELECT id, a FROM dev.unmixed $rest" '{operation: "sql", sql: $sql}' >"$HL_T/sql"
		ok n1 "@$HL_T/sql" 'length > 0'
		# A column with booleans and numbers has numbers where it was sorted.
		jq -c 'map(.a |= if . == true then 1 elif . == false then 0 else . end)' <<<"$body" >"$HL_T/walked"
		sql "SELECT id, a FROM dev.mixed $rest" \
		    "map(.a |= if . == true then 1 elif . == false then 0 else . end) == $(cat "$HL_T/walked")"
	done <<-'END'
		WHERE a = 1 ORDER BY id
		WHERE a = 0 ORDER BY id
		WHERE a > 0.7 AND a < 2 ORDER BY id
		WHERE a >= 'A' ORDER BY id
		WHERE a < 1 ORDER BY id
		WHERE a = 'x' ORDER BY id
		WHERE a IN (1, 'x', 0.5) ORDER BY id
		ORDER BY a, id LIMIT 40
		ORDER BY a DESC, id LIMIT 12
		ORDER BY a LIMIT 1
	END
	sql "EXPLAIN SELECT id FROM dev.mixed WHERE a = 'x'" '[.[].detail] | join(" ") | test("index on a = ")'
}

@test "a table may have more attributes than SQLite has columns; a statement many rows" {
	ok n1 '{"operation":"create_table","database":"dev","table":"wide","primary_key":"id"}'
	jq -nc '{operation: "insert", database: "dev", table: "wide", records: [{id: 1} + ([range(2500) | {"a\(.)": .}] | add)]}' >"$HL_T/body"
	ok n1 "@$HL_T/body"
	no 400 'SELECT * FROM dev.wide' 'more than 2000 attributes'
	no 400 'SELECT w.* FROM dev.wide w' 'more than 2000 attributes'
	sql 'SELECT id, a7, a2499 * 2 AS b, count(*) AS n FROM dev.wide WHERE a2400 = 2400' '. == [{"id": 1, "a7": 7, "b": 4998, "n": 1}]'
	sql 'UPDATE dev.wide SET a2300 = a2301 + 1' '.update_hashes == [1]'
	sql 'SELECT a2300 FROM dev.wide' '. == [{"a2300": 2302}]'
	jq -nc '{operation: "sql", sql: ("INSERT INTO dev.wide (id, a1) VALUES " + ([range(20000) | "(\(. + 10), \u0027v\(.)\u0027)"] | join(", ")))}' >"$HL_T/body"
	ok n1 "@$HL_T/body" '.message == "inserted 20000 of 20000 records"'
	sql 'SELECT count(*) AS n, max(a1) AS m FROM dev.wide WHERE id >= 10' '. == [{"n": 20000, "m": "v9999"}]'
}

@test "a statement ends when its client was told that it takes too long" {
	node_start n2 OPERATIONSAPI_NETWORK_TIMEOUT=1000 SQL_TIMEOUT=600
	# As many as there are threads for them.
	for _ in 1 2; do
		refused n2 504 '{"operation":"sql","sql":"WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) FROM c"}' \
		    operationsApi.network.timeout
	done
	wait_until 10 ok n2 '{"operation":"sql","sql":"SELECT 1 AS one"}' '. == [{"one": 1}]'
}
