#!/usr/bin/env bats
# Snapshots when things go wrong: a daemon is killed while one is taken or restored, the disk is full, two nodes
# take one at once, one was cut short.

export HL_CARRIER="link"
load node.bash

start_nodes()
{
	for n in n1 n2 n3 n4; do
		node_make "$n" 'REPLICATION_DATABASES=["*"]' SNAPSHOT_ENABLED=true SNAPSHOT_STORE=file \
		    "SNAPSHOT_PATH=$HL_T/snaps"
	done
	# This one takes none, and begins with none.
	node_make other 'REPLICATION_DATABASES=["*"]'
	node_run n1
	often n1
	node_run other
	mesh n1 other
}

often()		# often NODE: one each time that something changed
{
	ok "$1" '{"operation":"set_configuration","snapshot_interval":1}'
}

setup()
{
	SNAPS="$HL_T/snaps"
}

teardown()
{
	umount "$SNAPS" 2>/dev/null || :
	[ -n "${BATS_TEST_COMPLETED:-}" ] && return 0
	touch "$HL_T/failed"
	hl_show_logs
}

fill()		# fill NODE TABLE FROM COUNT: rows that no compression makes small
{
	head -c $(($4 * 750)) /dev/urandom | base64 -w 1000 |
	    jq -Rnc --arg t "$2" --argjson from "$3" '{operation: "upsert", database: "dev", table: $t,
	    records: [foreach inputs as $v ($from - 1; . + 1; {id: ., v: $v})]}' >"$HL_T/fill.json"
	ok "$1" "@$HL_T/fill.json"
}

whole()	# the names of those that are there
{
	find "$SNAPS" -name '*.snapshot' -printf '%f\n' | sort
}

newest()	# newest NODE
{
	ask "$1" '{"operation":"cluster_status"}' | jq -re '.snapshots.newest'
}

is_after()	# is_after NODE NAME: it knows of a newer one
{
	local now

	now=$(newest "$1") || return 1
	[[ $now > $2 ]]
}

moves()	# something changes: the next one is to be taken
{
	moved=$(date -u +%Y%m%dT%H%M%S.%3NZ)
	upsert n1 moves "{\"id\":\"$moved\"}"
}

partly()	# one is being written
{
	[ -n "$(find "$SNAPS" -name '.*.part' -size +64k)" ]
}

restored()	# restored NODE: what it has restored, each time
{
	grep -o "snapshots: .* tables with .* rows are restored" "$HL_T/nodes/$1/log"
}

copies()	# copies NODE: how many copies of whole tables have ended there
{
	grep -c "copy of dev\..* from node .* is whole" "$HL_T/nodes/$1/log" || true
}

snapshot()	# snapshot NODE JQ: of what cluster_status says of them
{
	ask "$1" '{"operation":"cluster_status"}' | jq -e ".snapshots | $2"
}

value()	# value NODE METRIC
{
	curl -s -m 10 -u "$HL_USER:$HL_PASSWORD" "http://127.0.0.1:$(port "$1" api)/metrics" |
	    sed -n "s/^$2 //p"
}

@test "opsd killed while it takes one: what is there is whole, and the next one is taken" {
	make_table n1 big
	make_table n1 moves
	for from in {0..28000..4000}; do
		fill n1 big "$from" 4000
	done
	same_rows 30 big n1 other
	for _ in 1 2 3; do
		moves
		wait_until 40 partly
		node_kill n1 opsd
		wait_until 20 node_answers n1
	done
	moves
	wait_until 40 is_after n1 "$moved"
	[ -z "$(find "$SNAPS" -name '.*.part')" ]
	[ "$(whole | wc -l)" -le 2 ]
	if grep 'snapshots: .* is not used' "$HL_T/nodes/n1/log"; then return 1; fi
}

begins()	# begins NODE TIMES: so often has it begun to restore one
{
	[ "$(grep -c 'snapshots: [^ ]*\.snapshot is restored' "$HL_T/nodes/$1/log")" -ge "$2" ]
}

begins_or_ended()
{
	begins "$@" || restored "$1"
}

@test "opsd killed while it restores one: it begins with one all the same, and nothing is copied" {
	node_run n3
	route n3 n1
	route n3 other
	for i in 1 2 3; do
		wait_until 40 begins_or_ended n3 "$i"
		if restored n3; then break; fi
		node_kill n3 opsd
		wait_until 20 node_answers n3
	done
	same_rows 40 big n1 n3
	same_rows 20 moves n1 n3
	restored n3
	[ "$(copies n3)" = 0 ]
	node_stop n3
}

@test "no room for one: a warning says so until there is" {
	# Nobody else takes one meanwhile.
	mount -t tmpfs -o size=128k none "$SNAPS" 2>/dev/null || skip 'cannot mount'
	moves
	wait_until 60 warns
	ask n1 '{"operation":"cluster_status"}' | jq -e '.warnings[] | select(.kind == "snapshot") |
	    .message | test("No snapshot could be taken: .*No space left on device")'
	snapshot n1 '.error | test("No space left on device")'
	snapshot n1 '.error_time | test("^20")'
	[ "$(value n1 hubleaf_snapshots_failed_total)" -ge 1 ]
	[ "$(value n1 'hubleaf_warnings{kind="snapshot"}')" = 1 ]
	"$HL_CLI" -c "$HL_T/nodes/n1/hubleaf.yaml" status >"$HL_T/screen" || true
	grep 'warning: snapshot: No snapshot could be taken' "$HL_T/screen"
	[ -z "$(find "$SNAPS" -type f)" ]
	umount "$SNAPS"
	wait_until 60 is_after n1 "$moved"
	if warns; then return 1; fi
	snapshot n1 'has("error") | not'
}

warns()
{
	ask n1 '{"operation":"cluster_status"}' | jq -e '[.warnings[].kind] | index("snapshot") != null'
}

@test "what is shown of the newest is what is there" {
	local name bytes

	name=$(whole | tail -1)
	bytes=$(stat -c %s "$SNAPS/$name")
	snapshot n1 ".newest == \"$name\" and .newest_bytes == $bytes and .store == \"file\" and .age_ms >= 0"
	[ "$(snapshot n1 '.newest_time | gsub("[-:]"; "")')" = "\"${name%%-*}\"" ]
	snapshot n1 ".taken_here | .bytes == $bytes and .tables == 2 and .records > 32000"
	[ "$(value n1 hubleaf_snapshot_bytes)" = "$bytes" ]
	[ "$(value n1 hubleaf_snapshots_taken_total)" -ge 1 ]
	[ "$(value n1 hubleaf_snapshot_timestamp_seconds | cut -d. -f1)" -gt 1600000000 ]
	"$HL_CLI" -c "$HL_T/nodes/n1/hubleaf.yaml" status >"$HL_T/screen"
	grep "^snapshots in file: the newest is .* old and has $bytes bytes" "$HL_T/screen"
	# Who takes none has nothing to show.
	ask other '{"operation":"cluster_status"}' | jq -e 'has("snapshots") | not'
	[ -z "$(value other hubleaf_snapshots_taken_total)" ]
}

@test "one that was cut short is refused in words, and the one before it is used" {
	moves
	wait_until 40 is_after n1 "$moved"
	moves
	wait_until 40 is_after n1 "$moved"
	wait_until 20 at_rest
	# These two stay.
	ok n1 '{"operation":"set_configuration","snapshot_interval":"1h"}'
	wait_until 20 at_rest
	cut="$SNAPS/$(whole | tail -1)"
	truncate -s $(($(stat -c %s "$cut") / 3)) "$cut"
	node_run n4
	route n4 n1
	route n4 other
	same_rows 40 big n1 n4
	same_rows 20 moves n1 n4
	grep "snapshots: .* is not used: it ends too early, at byte [0-9]*; the one before it is looked at" "$HL_T/nodes/n4/log"
	restored n4
	[ "$(copies n4)" = 0 ]
	snapshot n4 '.restored_here | .tables == 2 and .records > 32000'
	[ "$(value n4 hubleaf_snapshot_restored_tables_total)" = 2 ]
}

at_rest()	# two are there, and all of what was written is in the newest
{
	[ "$(whole | wc -l)" = 2 ] && snapshot n1 '.taking == false'
}

@test "two nodes that take them at once, as neither knows of the other: both do, and all are whole" {
	node_stop n1
	node_stop n4
	node_stop other
	rm -rf "$SNAPS"
	for n in n1 n2; do
		node_run "$n"
		often "$n"
	done
	make_table n2 alone
	moves
	insert n2 alone '{"id":1}'
	# Of peers that are away, a node waits a minute to hear.
	wait_until 100 taken_by_both
	[ "$(whole | wc -l)" -le 3 ]
	if grep -h 'snapshots: .*\(not used\|none is taken\)' "$HL_T"/nodes/n[12]/log | grep -v 'No space left'; then return 1; fi
}

taken_by_both()
{
	[ -n "$(value n1 hubleaf_snapshots_taken_total)" ] && [ "$(value n1 hubleaf_snapshots_taken_total)" -ge 1 ] &&
	    [ "$(value n2 hubleaf_snapshots_taken_total)" -ge 1 ]
}
