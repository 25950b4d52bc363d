#!/usr/bin/env bats
# Tables that are dropped, made again and filled again: what comes in, and what does not.

load node.bash

start_nodes()
{
	node_start n1
	node_start n2
	mesh n1 n2
}

cursor_is()	# cursor_is NODE DATABASE JQ: a subscription of the database is so
{
	ask "$1" '{"operation":"cluster_status"}' |
	    jq -e --arg d "$2" ".connections[].subscriptions[] | select(.database == \$d) | $3"
}

replicate()	# replicate A B DATABASE TABLE [PUBLISH SUBSCRIBE [START_TIME]]: called on A
{
	ok "$1" "{\"operation\":\"set_node_replication\",\"node_name\":\"$2\",\"subscriptions\":[
	    {\"database\":\"$3\",\"table\":\"$4\",\"publish\":${5:-true},\"subscribe\":${6:-true}${7:+,\"start_time\":\"$7\"}}]}"
}

make_keyed()	# make_keyed NODE DATABASE TABLE KEY
{
	ok "$1" "{\"operation\":\"create_table\",\"database\":\"$2\",\"table\":\"$3\",\"primary_key\":\"$4\"}"
}

remake()	# remake NODE DATABASE KEY: its table t gets another primary key, and a row 1
{
	ok "$1" "{\"operation\":\"drop_table\",\"database\":\"$2\",\"table\":\"t\"}"
	make_keyed "$1" "$2" t "$3"
	ok "$1" "{\"operation\":\"insert\",\"database\":\"$2\",\"table\":\"t\",\"records\":[{\"$3\":1,\"own\":true}]}"
}

put()		# put NODE DATABASE TABLE RECORD...
{
	ok "$1" "{\"operation\":\"upsert\",\"database\":\"$2\",\"table\":\"$3\",\"records\":[$4]}"
}

all_rows()	# all_rows NODE DATABASE TABLE KEY: without times, sorted
{
	ask "$1" "{\"operation\":\"search_by_value\",\"database\":\"$2\",\"table\":\"$3\",\"attribute\":\"$4\",
	    \"value\":\"*\",\"get_attributes\":[\"*\"]}" |
	    jq -cS '[.[] | del(.__createdtime__, .__updatedtime__) | with_entries(select(.value != null))] | sort_by(.id, .key)'
}

rows_are()	# rows_are NODE DATABASE TABLE KEY ROWS
{
	[ "$(all_rows "$1" "$2" "$3" "$4")" = "$5" ]
}

# What n2 sends is of the key `id`; n1's table has the key `key` now.
stays_apart()	# stays_apart DATABASE
{
	put n2 "$1" t '{"id":1,"from":2},{"id":3,"from":2}'
	ok n2 "{\"operation\":\"delete\",\"database\":\"$1\",\"table\":\"t\",\"ids\":[1]}"
	wait_until 15 cursor_is n1 "$1" '.state == "failed" and (.error | contains("'"'key'"'") and contains("'"'id'"'"))'
	rows_are n1 "$1" t key '[{"key":1,"own":true}]'
	ok n1 "{\"operation\":\"describe_table\",\"database\":\"$1\",\"table\":\"t\"}" \
	    '[.attributes[].attribute] | index("from") == null'
	rows_are n2 "$1" t id '[{"from":2,"id":3}]'
}

@test "a table made anew with another primary key takes nothing of the other: named, both ways" {
	make_keyed n1 both t id
	replicate n1 n2 both t
	put n1 both t '{"id":0}'
	wait_until 10 rows_are n2 both t id '[{"id":0}]'
	ok n2 '{"operation":"delete","database":"both","table":"t","ids":[0]}'
	remake n1 both key
	stays_apart both
	wait_until 15 cursor_is n2 both '.state == "failed" and (.error | contains("another primary key"))'
	# Made like the other, it goes on.
	ok n1 '{"operation":"drop_table","database":"both","table":"t"}'
	make_keyed n1 both t id
	put n2 both t '{"id":4}'
	wait_until 15 cursor_is n1 both '.state == "live"'
	wait_until 15 cursor_is n2 both '.state == "live"'
	wait_until 15 rows_are n1 both t id '[{"id":4}]'
	put n1 both t '{"id":5}'
	wait_until 15 rows_are n2 both t id '[{"from":2,"id":3},{"id":4},{"id":5}]'
}

@test "a table made anew with another primary key takes nothing of the other: one way" {
	make_keyed n2 way t id
	replicate n1 n2 way t false true
	remake n1 way key
	stays_apart way
}

@test "a table made anew with another primary key takes nothing of the other: under *" {
	make_keyed n2 star t id
	make_keyed n2 star u id
	replicate n1 n2 star '*'
	remake n1 star key
	stays_apart star
	# The other tables of the subscription go on.
	put n2 star u '{"id":1}'
	wait_until 10 rows_are n1 star u id '[{"id":1}]'
}

@test "a table made anew with another primary key while the peer was away" {
	make_keyed n2 away t id
	replicate n1 n2 away t
	node_stop n2
	remake n1 away key
	node_run n2
	# It says so before anything is written.
	wait_until 20 cursor_is n2 away '.state == "failed" and (.error | contains("another primary key"))'
	stays_apart away
}

# ---- filled again ----

OLD=2020-01-01T00:00:00.000Z

fill()		# fill NODE DATABASE TABLE: rows with a history
{
	make_keyed "$1" "$2" "$3" id
	put "$1" "$2" "$3" '{"id":1,"a":1,"b":1},{"id":2,"a":2},{"id":3,"a":3}'
	ok "$1" "{\"operation\":\"update\",\"database\":\"$2\",\"table\":\"$3\",\"records\":[{\"id\":2,\"b\":2}]}"
	ok "$1" "{\"operation\":\"delete\",\"database\":\"$2\",\"table\":\"$3\",\"ids\":[3]}"
}

FILLED='[{"a":1,"b":1,"id":1},{"a":2,"b":2,"id":2}]'

no_node()	# no_node A B: A ends all that it has with B
{
	if by_links; then
		no_subscriptions "$@"
		return
	fi
	ok "$1" "{\"operation\":\"remove_node\",\"node_name\":\"$2\"}"
	wait_until 10 eval "! ask $2 '{\"operation\":\"cluster_status\"}' | jq -e '.connections[] | select(.node_name == \"$1\")'"
}

no_subscriptions()	# the same of a member, whose link stays
{
	local ended

	ended=$(ask "$1" '{"operation":"cluster_status"}' | jq -c --arg n "$2" '[.connections[] |
	    select(.name == $n).subscriptions[]? | {database, table, publish: false, subscribe: false}]')
	ok "$1" "{\"operation\":\"update_node\",\"node_name\":\"$2\",\"subscriptions\":$ended}"
	wait_until 10 ok "$2" '{"operation":"cluster_status"}' '[.connections[].subscriptions[]? |
	    .publish or .subscribe] | any | not'
}

# n2 has whole rows again, and what is written on either changes these.
is_whole()	# is_whole DATABASE TABLE
{
	wait_until 15 rows_are n2 "$1" "$2" id "$FILLED"
	ok n1 "{\"operation\":\"update\",\"database\":\"$1\",\"table\":\"$2\",\"records\":[{\"id\":1,\"b\":9}]}"
	put n1 "$1" "$2" '{"id":2,"c":9}'
	wait_until 15 rows_are n2 "$1" "$2" id '[{"a":1,"b":9,"id":1},{"a":2,"b":2,"c":9,"id":2}]'
	ok n2 "{\"operation\":\"update\",\"database\":\"$1\",\"table\":\"$2\",\"records\":[{\"id\":1,\"d\":9}]}"
	wait_until 15 rows_are n1 "$1" "$2" id '[{"a":1,"b":9,"d":9,"id":1},{"a":2,"b":2,"c":9,"id":2}]'
}

@test "a table that was dropped is filled again by a start_time, as rows and not as parts" {
	fill n1 refill t
	fill n1 refill again
	fill n1 refill stays
	for t in t again stays; do
		replicate n1 n2 refill $t true true $OLD
		wait_until 15 rows_are n2 refill $t id "$FILLED"
	done
	# The subscription stays.
	ok n2 '{"operation":"drop_table","database":"refill","table":"stays"}'
	replicate n2 n1 refill stays true true $OLD
	is_whole refill stays
	no_node n2 n1
	ok n2 '{"operation":"drop_table","database":"refill","table":"t"}'
	replicate n2 n1 refill t true true $OLD
	is_whole refill t
	# Made again before it is asked for, called on the other node.
	ok n2 '{"operation":"drop_table","database":"refill","table":"again"}'
	make_keyed n2 refill again id
	replicate n1 n2 refill again true true $OLD
	is_whole refill again
}

# Over links no_node leaves t a subscription of its own, which comes before one for *.
again_by_name()	# again_by_name NODE OTHER
{
	! by_links || replicate "$1" "$2" whole t true true $OLD
}

@test "a database that was dropped is filled again, by its tables and by *" {
	fill n1 whole t
	fill n1 whole u
	for table in t '*'; do
		again_by_name n1 n2
		replicate n1 n2 whole "$table" true true $OLD
		wait_until 15 rows_are n2 whole t id "$FILLED"
		no_node n2 n1
		ok n2 '{"operation":"drop_database","database":"whole"}'
	done
	again_by_name n2 n1
	replicate n2 n1 whole '*' true true $OLD
	is_whole whole t
	is_whole whole u
}

@test "rows that changed since a start_time come whole when they are copied" {
	fill n1 part t
	replicate n1 n2 part t true true $OLD
	wait_until 15 rows_are n2 part t id "$FILLED"
	no_node n1 n2
	ok n2 '{"operation":"drop_table","database":"part","table":"t"}'
	sleep 0.1
	start=$(date -u +%Y-%m-%dT%H:%M:%S.%3NZ)
	ok n1 '{"operation":"update","database":"part","table":"t","records":[{"id":1,"b":7}]}'
	replicate n1 n2 part t true true "$start"
	wait_until 15 rows_are n2 part t id '[{"a":1,"b":7,"id":1}]'
}

@test "what else was removed here alone comes back when a start_time asks for it" {
	fill n1 local t
	replicate n1 n2 local t true true $OLD
	wait_until 15 rows_are n2 local t id "$FILLED"
	ok n2 '{"operation":"drop_attribute","database":"local","table":"t","attribute":"b"}'
	rows_are n2 local t id '[{"a":1,"id":1},{"a":2,"id":2}]'
	replicate n1 n2 local t true true $OLD
	wait_until 15 rows_are n2 local t id "$FILLED"
	job=$(ask n2 '{"operation":"delete_records_before","date":"2100-01-01","database":"local","table":"t"}' | jq -r .job_id)
	wait_until 15 ok n2 "{\"operation\":\"get_job\",\"id\":\"$job\"}" '.[0].status == "COMPLETE"'
	rows_are n2 local t id '[]'
	no_node n1 n2
	replicate n1 n2 local t true true $OLD
	is_whole local t
}

# ---- definitions ----

definition()	# definition NODE DATABASE TABLE: all of describe_table but what it counts and measures
{
	ask "$1" "{\"operation\":\"describe_table\",\"database\":\"$2\",\"table\":\"$3\"}" | jq -cS 'del(
	    .record_count, .db_size, .table_size, .db_audit_size, .last_updated_record)'
}

same_definition()	# same_definition DATABASE TABLE
{
	[ "$(definition n1 "$1" "$2")" = "$(definition n2 "$1" "$2")" ]
}

define()	# define NODE DATABASE TABLE MORE: create_table with further fields
{
	ok "$1" "{\"operation\":\"create_table\",\"database\":\"$2\",\"table\":\"$3\",\"primary_key\":\"id\"$4}"
}

define_all()	# define_all NODE DATABASE: tables of every kind, a row in each
{
	define "$1" "$2" plain ''
	define "$1" "$2" declared ',"attributes":[{"name":"id"},{"name":"a","type":"String","indexed":true},{"name":"b","type":"Int"}]'
	define "$1" "$2" silent ',"audit":false'
	define "$1" "$2" short ',"expiration":86400'
	define "$1" "$2" home ',"residence":["n1","n2"]'
	for t in plain declared silent short home; do
		put "$1" "$2" $t '{"id":1,"seen":2}'
	done
	ok "$1" "{\"operation\":\"create_attribute\",\"database\":\"$2\",\"table\":\"plain\",\"attribute\":\"made\"}"
}

all_same()	# all_same DATABASE
{
	for t in plain declared silent short home; do
		wait_until 15 same_definition "$1" $t || {
			echo "$t: $(definition n1 "$1" $t) and $(definition n2 "$1" $t)"
			return 1
		}
	done
}

@test "a definition is the same on both sides, by a subscription, under * and in a copy" {
	define_all n1 named
	for t in plain declared silent short home; do
		replicate n2 n1 named $t true true $OLD
	done
	all_same named
	make_keyed n1 later first id
	replicate n1 n2 later '*'
	define_all n1 later
	all_same later
	ok n2 '{"operation":"search_by_id","database":"later","table":"plain","ids":[1],"get_attributes":["*"]}' \
	    '.[0] | has("seen")'
	ok n2 '{"operation":"describe_table","database":"later","table":"plain"}' '.schema_defined == false and .audit'
	ok n2 '{"operation":"describe_table","database":"named","table":"silent"}' '.audit == false'
	ok n2 '{"operation":"drop_database","database":"named"}'
	replicate n2 n1 named '*' true true $OLD
	all_same named
}

# ---- * and databases ----

has_database()	# has_database NODE DATABASE
{
	ok "$1" '{"operation":"describe_all"}' "has(\"$2\")"
}

has_table()	# has_table NODE DATABASE TABLE
{
	ok "$1" "{\"operation\":\"describe_table\",\"database\":\"$2\",\"table\":\"$3\"}"
}

@test "* for a database without tables, which only one of the two nodes has" {
	ok n1 '{"operation":"create_database","database":"bare1"}'
	ok n2 '{"operation":"create_database","database":"bare2"}'
	for db in bare1 bare2; do
		replicate n1 n2 $db '*'
		has_database n1 $db
		has_database n2 $db
		make_keyed n1 $db t id
		make_keyed n2 $db u id
		wait_until 10 has_table n1 $db u
		wait_until 10 has_table n2 $db t
		put n1 $db u '{"id":1}'
		wait_until 10 rows_are n2 $db u id '[{"id":1}]'
	done
	refused n1 404 '{"operation":"set_node_replication","node_name":"n2","subscriptions":[
	    {"database":"neither","table":"*","publish":true,"subscribe":true}]}' "database 'neither' does not exist"
}

@test "a database dropped here stays away under *, until it is made again; then what is new comes" {
	fill n1 gone old
	replicate n1 n2 gone '*' true true $OLD
	wait_until 15 rows_are n2 gone old id "$FILLED"
	ok n2 '{"operation":"drop_database","database":"gone"}'
	fill n1 gone meanwhile
	put n1 gone old '{"id":9}'
	# What comes after it has come, and nothing of it is here.
	make_keyed n1 barrier t id
	replicate n1 n2 barrier t
	put n1 barrier t '{"id":1}'
	wait_until 15 rows_are n2 barrier t id '[{"id":1}]'
	wait_until 15 cursor_is n1 gone '.peer_lag == 0'
	ok n2 '{"operation":"describe_all"}' 'has("gone") | not'
	node_stop n2
	node_run n2
	ok n2 '{"operation":"describe_all"}' 'has("gone") | not'
	ok n2 '{"operation":"create_database","database":"gone"}'
	wait_until 15 rows_are n2 gone meanwhile id "$FILLED"
	put n1 gone meanwhile '{"id":4}'
	wait_until 15 eval "rows_are n2 gone meanwhile id '${FILLED%]},{\"id\":4}]'"
	# Dropped by itself or with its database: it comes when it is made again, or asked for.
	ok n2 '{"operation":"describe_database","database":"gone"}' 'has("old") | not'
	replicate n2 n1 gone '*' true true $OLD
	wait_until 15 eval "rows_are n2 gone old id '${FILLED%]},{\"id\":9}]'"
}

# ---- resync ----

resync()	# resync NODE FROM DATABASE TABLE: waits for its job; `message` is how it ended
{
	local id

	id=$(ask "$1" "{\"operation\":\"resync\",\"node_name\":\"$2\",\"database\":\"$3\",\"table\":\"$4\"}" | jq -r .job_id)
	wait_until 40 job_ended "$1" "$id"
	message=$(ask "$1" "{\"operation\":\"get_job\",\"id\":\"$id\"}" | jq -r '.[0] | "\(.status): \(.message)"')
}

job_ended()	# job_ended NODE ID
{
	ok "$1" "{\"operation\":\"get_job\",\"id\":\"$2\"}" '.[0].status | . == "COMPLETE" or . == "ERROR"'
}

alone()		# alone NODE DATABASE TABLE RECORD...: written while nothing is sent to the peer
{
	ok n1 "{\"operation\":\"set_node_replication\",\"node_name\":\"n2\",\"subscriptions\":[
	    {\"database\":\"$2\",\"table\":\"$3\",\"publish\":false,\"subscribe\":false}]}"
	put "$1" "$2" "$3" "$4"
	replicate n1 n2 "$2" "$3"
}

@test "resync copies what differs, whole, and nothing else; what only this node has stays" {
	fill n1 sync t
	replicate n1 n2 sync t true true $OLD
	wait_until 15 rows_are n2 sync t id "$FILLED"
	resync n2 n1 sync t
	[ "$message" = "COMPLETE: 2 records of 'sync.t' compared with those of node 'n1': 0 copied, 0 are only here" ]
	alone n1 sync t '{"id":1,"a":7},{"id":5,"new":true}'
	alone n2 sync t '{"id":2,"c":7},{"id":6,"own":true}'
	rows_are n2 sync t id '[{"a":1,"b":1,"id":1},{"a":2,"b":2,"c":7,"id":2},{"id":6,"own":true}]'
	resync n2 n1 sync t
	[ "$message" = "COMPLETE: 3 records of 'sync.t' compared with those of node 'n1': 2 copied, 1 are only here" ]
	rows_are n2 sync t id '[{"a":7,"b":1,"id":1},{"a":2,"b":2,"c":7,"id":2},{"id":5,"new":true},{"id":6,"own":true}]'
	rows_are n1 sync t id '[{"a":7,"b":1,"id":1},{"a":2,"b":2,"id":2},{"id":5,"new":true}]'
	resync n1 n2 sync t
	[[ $message = *": 2 copied, 0 are only here" ]]
	[ "$(all_rows n1 sync t id)" = "$(all_rows n2 sync t id)" ]
	# A delete is a difference, too.
	ok n1 '{"operation":"set_node_replication","node_name":"n2","subscriptions":[
	    {"database":"sync","table":"t","publish":false,"subscribe":true}]}'
	ok n1 '{"operation":"delete","database":"sync","table":"t","ids":[5]}'
	# Over a link nobody reads what is not given.
	! by_links || replicate n1 n2 sync t
	resync n2 n1 sync t
	[[ $message = *": 1 copied, 0 are only here" ]]
	rows_are n2 sync t id '[{"a":7,"b":1,"id":1},{"a":2,"b":2,"c":7,"id":2},{"id":6,"own":true}]'
}

@test "resync brings back what was dropped or deleted here alone" {
	fill n1 back t
	replicate n1 n2 back t true true $OLD
	wait_until 15 rows_are n2 back t id "$FILLED"
	ok n2 '{"operation":"drop_attribute","database":"back","table":"t","attribute":"b"}'
	resync n2 n1 back t
	rows_are n2 back t id "$FILLED"
	ok n2 '{"operation":"drop_table","database":"back","table":"t"}'
	resync n2 n1 back t
	[[ $message = COMPLETE* ]]
	same_definition back t
	is_whole back t
}

@test "resync of a large table of which few rows differ, from a node that is away for a while" {
	make_keyed n1 dev large id
	replicate n1 n2 dev large
	load_rows n1 large "$HL_T/large" -n 3000 -c 8
	wait_until 20 counts n2 large 3000
	alone n1 dev large '{"id":"zz 1"},{"id":"aa 1"}'
	alone n2 dev large '{"id":"zz 2"},{"id":"aa 2"},{"id":"mm 2"}'
	node_kill n1 leafd STOP
	id=$(ask n2 '{"operation":"resync","node_name":"n1","database":"dev","table":"large"}' | jq -r .job_id)
	wait_until 10 ok n2 '{"operation":"cluster_status"}' \
	    '.connections[0].resyncs == [{"schema":"dev","database":"dev","table":"large","records":0,"copied":0,"only_here":0}]'
	refused n2 409 '{"operation":"resync","node_name":"n1","database":"dev","table":"large"}' 'being compared'
	node_kill n1 leafd CONT
	wait_until 40 job_ended n2 "$id"
	ok n2 "{\"operation\":\"get_job\",\"id\":\"$id\"}" '.[0] | .status == "COMPLETE" and
	    (.message | endswith(": 2 copied, 3 are only here")) and .progress.records == 3002 and .progress.copied == 2'
	ok n2 '{"operation":"cluster_status"}' '.connections[0] | has("resyncs") | not'
	counts n2 large 3005
	counts n1 large 3002
}

@test "resync: what cannot be" {
	refused n1 400 '{"operation":"resync"}' "'node_name' is required. 'table' is required"
	refused n1 400 '{"operation":"resync","node_name":"n2","table":"*"}' "'table' must be the name of one table"
	refused n1 400 '{"operation":"resync","node_name":"n1","table":"t"}' "'node_name' cannot be the name of this node"
	refused n1 403 '{"operation":"resync","node_name":"n2","database":"system","table":"hdb_user"}'
	refused n1 404 '{"operation":"resync","node_name":"n9","database":"sync","table":"t"}' "Node 'n9' is not in the manifest"
	refused n1 404 '{"operation":"resync","node_name":"n2","database":"nope","table":"t"}' \
	    "There is no subscription of 'nope.t' with node 'n2'"
	make_keyed n1 keys t id
	replicate n1 n2 keys t
	remake n1 keys key
	resync n1 n2 keys t
	[ "$message" = "ERROR: Primary keys of 'keys.t' differ: 'key' here and 'id' on node 'n2'" ]
	ok n2 '{"operation":"drop_table","database":"keys","table":"t"}'
	resync n1 n2 keys t
	[ "$message" = "ERROR: Table 'keys.t' does not exist on node 'n2'" ]
}

# ---- resync, cut off ----

differing()	# differing NODE TAG FROM: 8000 rows from that id on
{
	command jq -n --arg tag "$2" --argjson from "$3" '{operation: "upsert", database: "dev", table: "cut",
	    records: [range($from; $from + 8000) | {id: ., tag: $tag, pad: ("\(.) of \($tag) " * 65)}]}' >"$HL_T/rows.json"
	ok "$1" @"$HL_T/rows.json"
}

# n1's opsd runs a moment in thirty: the tests are slower than it is.
slow()
{
	source_pid=$(node_pid n1 opsd)
	(
		while kill -STOP "$source_pid" && sleep 0.3; do
			kill -CONT "$source_pid"
			sleep 0.01
		done
	) >/dev/null 2>&1 3>&- &
	slower=$!
}

brisk()
{
	kill "$slower"
	wait "$slower" || true
	kill -CONT "$source_pid" 2>/dev/null || true
}

resync_begun()	# n2's from n1: some rows are copied, others are not yet; `id` is its job
{
	slow
	id=$(ask n2 '{"operation":"resync","node_name":"n1","database":"dev","table":"cut"}' | jq -r .job_id)
	wait_until 20 ok n2 '{"operation":"cluster_status"}' '.connections[0].resyncs[0].copied | . > 0 and . < 8000'
}

apart()		# 4000 rows only on n1, 4000 only on n2, 4000 on both that are newer on n1
{
	ok n1 '{"operation":"set_node_replication","node_name":"n2","subscriptions":[
	    {"database":"dev","table":"cut","publish":false,"subscribe":false}]}'
	differing n2 "old $1" 4000
	differing n1 "new $1" 0
	replicate n1 n2 dev cut
}

cut_tags()	# cut_tags NODE: how many rows of which tag
{
	rows "$1" dev cut | jq -cs 'map(.tag) | group_by(.) | map([.[0], length])'
}

@test "resync cut off by kill -9 of the receiver's opsd, then of the source's" {
	make_keyed n1 dev cut id
	replicate n1 n2 dev cut
	wait_until 10 ok n2 '{"operation":"describe_table","database":"dev","table":"cut"}'
	apart 1
	resync_begun
	node_kill n2 opsd
	brisk
	wait_until 20 job_ended n2 "$id"
	ok n2 "{\"operation\":\"get_job\",\"id\":\"$id\"}" '.[0] | .status == "ERROR" and
	    (.message | test("^The node was restarted while the job ran: [1-9][0-9]* records had been copied$"))'
	# What had come is whole, what had not is as it was.
	[ "$(count n2 cut)" -ge 8000 ]
	wait_until 20 node_ready n2
	! by_links || wait_until 20 in_network n2 n1
	resync n2 n1 dev cut
	[[ $message = COMPLETE*", 4000 are only here" ]]
	[ "$(cut_tags n2)" = '[["new 1",8000],["old 1",4000]]' ]
	[ "$(cut_tags n1)" = '[["new 1",8000]]' ]
	resync n1 n2 dev cut
	[[ $message = *": 4000 copied, 0 are only here" ]]
	same_rows 5 cut n1 n2
	# The source: it is asked again until it answers.
	apart 2
	resync_begun
	node_kill n1 opsd
	brisk
	wait_until 60 job_ended n2 "$id"
	ok n2 "{\"operation\":\"get_job\",\"id\":\"$id\"}" '.[0] | .status == "COMPLETE" and
	    (.message | endswith(": 8000 copied, 0 are only here"))'
	[ "$(cut_tags n2)" = '[["new 2",8000],["old 2",4000]]' ]
	wait_until 20 node_ready n1
	! by_links || wait_until 20 in_network n1 n2
	resync n1 n2 dev cut
	same_rows 5 cut n1 n2
}
