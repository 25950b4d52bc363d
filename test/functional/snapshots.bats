#!/usr/bin/env bats
# Snapshots in a folder: one node takes them, a node that starts empty or was away too long begins with one, and
# goes on with the log from exactly there; a damaged one is refused, and the one before it used.

export HL_CARRIER="link"
load node.bash

start_nodes()
{
	SNAPS="$HL_T/snaps"
	for n in n1 n2 n3 n4 n5; do
		node_make "$n" 'REPLICATION_DATABASES=["*"]' SNAPSHOT_ENABLED=true SNAPSHOT_STORE=file \
		    "SNAPSHOT_PATH=$HL_T/snaps"
	done
	node_run n1
	node_run n2
	snapshots_every 1s n1 n2
	mesh n1 n2
}

setup()
{
	SNAPS="$HL_T/snaps"
}

fill()		# fill NODE TABLE FROM COUNT: rows of some size
{
	jq -nc --arg t "$2" --argjson from "$3" --argjson n "$4" '{operation: "upsert", database: "dev",
	    table: $t, records: [range($from; $from + $n) | {id: ., v: ("x" * 1200)}]}' >"$HL_T/fill.json"
	ok "$1" "@$HL_T/fill.json"
}

copies()	# copies NODE: how many copies of whole tables have ended there
{
	grep -c "copy of dev\..* from node .* is whole" "$HL_T/nodes/$1/log" || true
}

newest()	# newest NODE: the name of the newest snapshot that it knows of
{
	ask "$1" '{"operation":"cluster_status"}' | jq -re '.snapshots.newest'
}

is_after()	# is_after NODE NAME: it knows of a newer one
{
	local now

	now=$(newest "$1") || return 1
	[[ $now > $2 ]]
}

ages()		# ages NODE: the snapshot that comes is of all that was written before this
{
	local now

	now=$(date -u +%Y%m%dT%H%M%S.%3NZ)
	# Nothing is taken where nothing changed.
	upsert n1 moves "{\"id\":\"$now\"}"
	wait_until 40 is_after "$1" "$now"
}

at_rest()	# at_rest NODE N: linked with so many, and nothing is on its way
{
	ask "$1" '{"operation":"cluster_status"}' | jq -e --argjson n "$2" '[.connections[] | select(.status == "open" and
	    (.database_sockets | length > 0 and all(.state == "live" and .lag == 0)))] | length == $n'
}

restored()	# restored NODE: what it has restored, each time
{
	grep -o "snapshots: .* tables with .* rows are restored" "$HL_T/nodes/$1/log"
}

@test "one node takes them, and the newest two stay" {
	make_table n1 big
	make_table n1 moves
	make_table n2 small
	for from in {0..16000..4000}; do
		fill n1 big $from 4000
	done
	fill n2 big 50000 500
	fill n2 small 0 100
	delete n2 big 7
	same_rows 30 big n1 n2
	same_rows 10 small n1 n2
	ages n1
	ages n2
	ages n1
	wait_until 10 two_are_kept
	# The one with the smaller id, from its start on.
	[ "$(find "$SNAPS" -name '*.snapshot' | sed 's/.*Z-//' | sort -u | wc -l)" = 1 ]
}

two_are_kept()
{
	[ "$(find "$SNAPS" -name '*.snapshot' | wc -l)" = 2 ]
}

@test "a node that starts empty begins with one, and goes on where it stands" {
	local writers=()

	load_rows n1 big "$HL_T/a" -k a -r 200 -d 4 &
	writers+=($!)
	load_rows n2 big "$HL_T/b" -k b -r 200 -d 4 &
	writers+=($!)
	node_run n3
	snapshots_every 1s n3
	route n3 n1
	route n3 n2
	wait "${writers[@]}"
	wait_until 30 at_rest n3 2
	for n in n1 n2 n3; do
		wait_until 20 holds_all "$n" big "$HL_T/a" "$HL_T/b"
	done
	same_rows 20 big n1 n2 n3
	same_rows 5 small n1 n2 n3
	has_no_row n3 big 7
	restored n3
	[ "$(copies n3)" = 0 ]
	# Nor is it copied back.
	if grep "copy of dev\..* from node n3 is whole" "$HL_T"/nodes/n[12]/log; then return 1; fi
}

@test "away for longer than the logs reach, it begins with one as well" {
	node_stop n3
	fill n1 big 60000 200
	fill n2 big 61000 200
	delete n2 big 8
	same_rows 20 big n1 n2
	ages n1
	for n in n1 n2; do
		ok "$n" '{"operation":"purge_stream","database":"dev","table":"big","options":{"force":true}}'
	done
	insert n1 big '{"id":"after the purge"}'
	: >"$HL_T/nodes/n3/log"
	node_run n3
	wait_until 30 at_rest n3 2
	same_rows 20 big n1 n2 n3
	has_no_row n3 big 8
	has_row n3 big '"after the purge"'
	restored n3
	[ "$(copies n3)" = 0 ]
}

is_quiet()	# the same snapshots for some seconds, as nothing changes
{
	local now

	now=$(ls "$SNAPS")
	if [ "$now" != "${quiet_names:-}" ] || [ -z "$quiet_since" ]; then
		quiet_names=$now
		quiet_since=$SECONDS
	fi
	[ $((SECONDS - quiet_since)) -ge 7 ]
}

damage()	# damage FILE: a byte in its middle is another one
{
	local at=$(($(stat -c %s "$1") / 2))

	printf '\x5a\xa5\x5a' | dd of="$1" bs=1 seek="$at" conv=notrunc status=none
}

@test "a damaged one is refused in words, and the one before it is used" {
	ages n1
	ages n1
	wait_until 10 two_are_kept
	# That another node comes is news.
	snapshots_every 1h n1 n2 n3
	quiet_since=
	wait_until 40 is_quiet
	damage "$(find "$SNAPS" -name '*.snapshot' | sort | tail -1)"
	node_run n4
	route n4 n1
	route n4 n2
	wait_until 30 at_rest n4 3
	same_rows 20 big n1 n2 n4
	same_rows 20 moves n1 n2 n4
	grep "snapshots: .* is not used: it is damaged: .* at byte .*; the one before it is looked at" "$HL_T/nodes/n4/log"
	restored n4
	[ "$(copies n4)" = 0 ]
}

@test "where all are damaged, what they had is copied" {
	for f in "$SNAPS"/*.snapshot; do
		damage "$f"
	done
	node_run n5
	route n5 n1
	route n5 n2
	wait_until 30 at_rest n5 4
	same_rows 20 big n1 n2 n5
	[ "$(copies n5)" -gt 0 ]
	grep "snapshots: .* is not used: it is damaged" "$HL_T/nodes/n5/log"
}
