#!/usr/bin/env bats
# A node that joins several others, or was away for longer than their logs reach, gets each table from one of them.

export HL_CARRIER="link"
load node.bash

start_nodes()
{
	for n in n1 n2 n3; do
		node_make "$n" 'REPLICATION_DATABASES=["*"]'
	done
	node_run n1
	node_run n2
	mesh n1 n2
}

fill()		# fill NODE TABLE FROM COUNT: rows of some size
{
	jq -nc --arg t "$2" --argjson from "$3" --argjson n "$4" '{operation: "upsert", database: "dev",
	    table: $t, records: [range($from; $from + $n) | {id: ., v: ("x" * 1200)}]}' >"$HL_T/fill.json"
	ok "$1" "@$HL_T/fill.json"
}

copies()	# copies NODE TABLE: how often it has copied the whole of it
{
	grep -c "copy of dev\.$2 from node .* is whole" "$HL_T/nodes/$1/log"
}

givers()	# givers NODE TABLE: from how many it has copied the whole of it
{
	grep -o "copy of dev\.$2 from node .* is whole" "$HL_T/nodes/$1/log" | sort -u | wc -l
}

has_copied()	# has_copied NODE TABLE TIMES
{
	[ "$(copies "$1" "$2")" -ge "$3" ]
}

at_rest()	# at_rest NODE N: linked with so many, and nothing is on its way
{
	ask "$1" '{"operation":"cluster_status"}' | jq -e --argjson n "$2" '[.connections[] | select(.status == "open" and
	    (.database_sockets | length > 0 and all(.state == "live" and .lag == 0)))] | length == $n'
}

@test "a node that joins two others copies each table once, killed on the way, and goes on with both" {
	local writers=()

	make_table n1 big
	make_table n2 small
	for from in {0..36000..4000}; do
		fill n1 big $from 4000
	done
	fill n2 big 50000 500
	fill n2 small 0 100
	same_rows 30 big n1 n2
	same_rows 10 small n1 n2
	# What only the new node has stays, and reaches the others.
	node_run n3
	make_table n3 big
	insert n3 big '{"id":"only here"}'
	load_rows n1 big "$HL_T/a" -k a -r 200 -d 4 &
	writers+=($!)
	load_rows n2 big "$HL_T/b" -k b -r 200 -d 4 &
	writers+=($!)
	route n3 n1
	route n3 n2
	copying n3
	node_kill n3 opsd KILL
	wait "${writers[@]}"
	wait_until 30 has_copied n3 big 1
	wait_until 30 at_rest n3 2
	for n in n1 n2 n3; do
		wait_until 20 holds_all "$n" big "$HL_T/a" "$HL_T/b"
		wait_until 20 has_row "$n" big '"only here"'
	done
	same_rows 20 big n1 n2 n3
	same_rows 5 small n1 n2 n3
	[ "$(copies n3 big)" = 1 ]
	[ "$(givers n3 small)" = 1 ]
	# It was given what it has of that one: nobody copies it back.
	for n in n1 n2; do
		if grep "copy of dev\.small from node n3 is whole" "$HL_T/nodes/$n/log"; then return 1; fi
	done
}

copying()	# copying NODE: at the one, cluster_status says how far it is; asked without a pause, as a copy is soon over
{
	local end=$((SECONDS + 20))

	until ask "$1" '{"operation":"cluster_status"}' >"$HL_T/status" &&
	    grep -q '"rows_copied":[1-9]' "$HL_T/status" && jq -e 'any(.connections[].database_sockets[]?;
	    .state == "copy" and .rows_copied > 0 and .rows_total > 0)' <"$HL_T/status" >/dev/null; do
		[ $SECONDS -lt $end ]
	done
}

@test "away for longer than the logs reach, it copies once, and removes nothing" {
	local before

	before=$(copies n3 big)
	node_stop n3
	fill n1 big 60000 200
	fill n2 big 61000 200
	delete n2 big 7
	same_rows 20 big n1 n2
	for n in n1 n2; do
		ok "$n" '{"operation":"purge_stream","database":"dev","table":"big","options":{"force":true}}'
	done
	node_run n3
	wait_until 30 has_copied n3 big $((before + 1))
	wait_until 30 at_rest n3 2
	same_rows 20 big n1 n2 n3
	has_no_row n3 big 7
	has_row n3 big '"only here"'
	[ "$(copies n3 big)" = $((before + 1)) ]
}
