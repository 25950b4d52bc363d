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

refused()	# refused STATUS STATEMENT TEXT
{
	jq -nc --arg sql "$2" '{operation: "sql", sql: $sql}' >"$HL_T/sql"
	fails n1 "$1" "@$HL_T/sql" "$3"
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
		! grep error "$HL_T/answers"
	done
	echo 'SELECT id, a, b, c FROM T ORDER BY id' >"$HL_T/all"
	compare "$HL_T/all"
	awk -v seed=13 -v count=100 -f "$HL_SRC/test/functional/sqlgen.awk" >"$HL_T/queries"
	compare "$HL_T/queries"
}
