#!/usr/bin/env bats
# Things that break under a node: streams, copies, tables; it comes right by itself.

load node.bash

setup()
{
	hl_begin
	start_pair
}

setup_file() { :; }
teardown_file() { :; }

teardown()
{
	[ -n "${BATS_TEST_COMPLETED:-}" ] || {
		touch "$HL_T/failed"
		hl_show_logs
	}
	hl_end
}

comes_right()	# new rows on both reach both, and all is equal
{
	insert n1 t '{"id":"last 1"}'
	insert n2 t '{"id":"last 2"}'
	for n in n1 n2; do
		wait_until 30 has_row $n t '"last 1"'
		wait_until 30 has_row $n t '"last 2"'
	done
	same_rows 30 t n1 n2
}

streams()	# the folder of a node's JetStream
{
	echo "$(root "$1")/clustering/leaf"
}

copy_of()	# copy_of NODE: keep its folder as it is now; the node is stopped and started
{
	node_stop "$1"
	rm -rf "$HL_T/copy"
	cp -a "$(root "$1")" "$HL_T/copy"
	node_run "$1"
}

restore()	# restore NODE: an older copy takes the place of its folder
{
	node_stop "$1"
	rm -rf "$(root "$1")"
	cp -a "$HL_T/copy" "$(root "$1")"
	node_run "$1"
}

@test "the origin's stream removed while it was stopped" {
	over_nats
	node_stop n2
	load_rows n1 t "$HL_T/a" -n 300 -c 4
	node_stop n1
	rm -rf "$(streams n1)"
	node_run n1
	node_run n2
	wait_until 30 counts n2 t 302
	comes_right
}

@test "the origin's stream deleted under it, by hand" {
	over_nats
	node_kill n1 leafd STOP
	load_rows n1 t "$HL_T/a" -n 300 -c 4
	node_kill n1 leaf KILL
	rm -rf "$(streams n1)"
	node_kill n1 leafd CONT
	wait_until 30 counts n2 t 302
	comes_right
}

@test "JetStream's files truncated" {
	over_nats
	load_rows n1 t "$HL_T/a" -n 300 -c 4
	wait_until 10 counts n2 t 302
	node_stop n1
	find "$(streams n1)" -type f -size +0 | while read -r f; do
		truncate -s $(($(stat -c %s "$f") / 2)) "$f"
	done
	node_run n1
	comes_right
}

@test "JetStream's last block cut: the tail is published again from the log" {
	over_nats
	node_stop n2
	load_rows n1 t "$HL_T/a" -n 3000 -c 8
	node_stop n1
	find "$(streams n1)" -name '*.blk' | while read -r f; do
		truncate -s $(($(stat -c %s "$f") * 2 / 3)) "$f"
	done
	node_run n1
	node_run n2
	wait_until 30 counts n2 t 3002
	holds_all n2 t "$HL_T/a"
	comes_right
}

@test "bytes of JetStream's blocks are others: what was damaged comes from the log" {
	local file at

	over_nats
	node_stop n2
	load_rows n1 t "$HL_T/a" -n 1000 -c 4
	node_stop n1
	find "$(streams n1)" -name '*.blk' >"$HL_T/blocks"
	[ -s "$HL_T/blocks" ]
	while read -r file; do
		for at in $(seq 777 3001 "$(stat -c %s "$file")"); do
			printf '\377' | dd of="$file" bs=1 seek="$at" conv=notrunc status=none
		done
	done <"$HL_T/blocks"
	node_run n1
	node_run n2
	wait_until 150 counts n2 t 1002
	holds_all n2 t "$HL_T/a"
	comes_right
}

@test "the origin restored from an older copy: its lost writes come back" {
	copy_of n1
	load_rows n1 t "$HL_T/a" -n 300 -c 4
	wait_until 20 counts n2 t 302
	restore n1
	wait_until 30 counts n1 t 302
	grep -Eq 'what (node n2|the stream) has of the log is not in it' "$HL_T/nodes/n1/log"
	holds_all n1 t "$HL_T/a"
	load_rows n1 t "$HL_T/b" -k b -n 300 -c 4
	wait_until 30 counts n2 t 602
	comes_right
}

@test "only the store restored, of a node that only publishes: its lost writes come back" {
	make_table n1 out
	subscribe n1 n2 out true false
	insert n1 out '{"id":0}'
	wait_until 10 has_row n2 out 0
	copy_of n1
	load_rows n1 out "$HL_T/a" -n 300 -c 4
	delete n1 out 0
	wait_until 20 counts n2 out 300
	wait_until 10 has_no_row n2 out 0
	insert n2 out '{"id":"not for n1"}'
	# The stream stays: it knows more than the log.
	node_stop n1
	rm -rf "$(root n1)/database"
	cp -a "$HL_T/copy/database" "$(root n1)/database"
	node_run n1
	wait_until 30 counts n1 out 300
	holds_all n1 out "$HL_T/a"
	has_no_row n1 out 0
	has_no_row n1 out '"not for n1"'
	insert n1 out '{"id":"next"}'
	wait_until 20 has_row n2 out '"next"'
	comes_right
}

@test "a receiver restored from an older copy catches up" {
	copy_of n2
	load_rows n1 t "$HL_T/a" -n 300 -c 4
	wait_until 20 counts n2 t 302
	restore n2
	wait_until 30 counts n2 t 302
	comes_right
}

@test "the receiver restored, the origin's log and stream gone beyond it: a copy" {
	copy_of n2
	load_rows n1 t "$HL_T/a" -n 300 -c 4
	delete n1 t '"first 1"'
	wait_until 20 counts n2 t 301
	# Until n2 has said that it has all of it.
	wait_until 10 ok n1 '{"operation":"purge_stream","database":"dev","table":"t"}'
	restore n2
	wait_until 30 has_no_row n2 t '"first 1"'
	wait_until 30 counts n2 t 301
	wait_until 10 grep -q 'copy of dev.t from node n1 is whole' "$HL_T/nodes/n2/log"
	comes_right
}

@test "a table dropped and made again while the peer was away" {
	node_stop n2
	ok n1 '{"operation":"drop_table","database":"dev","table":"t"}'
	make_table n1 t
	insert n1 t '{"id":"second life"}'
	node_run n2
	wait_until 20 in_network n2 n1
	subscribe n1 n2 t
	insert n1 t '{"id":"subscribed"}'
	wait_until 20 has_row n2 t '"subscribed"'
	insert n2 t '{"id":"from 2"}'
	wait_until 20 has_row n1 t '"from 2"'
	sleep 1
	# Late transactions of the old table do not come into the new one.
	has_no_row n1 t '"first 1"'
}

@test "a second table subscribed to while the peer is busy" {
	make_table n1 u
	load_rows n1 t "$HL_T/a" -d 6 -c 8 -r 1000 &
	sleep 1
	subscribe n1 n2 u
	load_rows n1 u "$HL_T/u" -k u -n 500 -c 4
	wait
	wait_until 20 counts n2 u 500
	holds_all n2 u "$HL_T/u"
	holds_all n2 t "$HL_T/a"
	same_rows 20 u n1 n2
	comes_right
}

@test "purge_stream refuses what a subscriber has not got, unless forced" {
	node_stop n2
	load_rows n1 t "$HL_T/a" -n 100 -c 4
	refused n1 409 '{"operation":"purge_stream","database":"dev","table":"t"}'
	ok n1 '{"operation":"purge_stream","database":"dev","table":"t","options":{"force":true}}' '.purged >= 100'  ||
	    ok n1 '{"operation":"purge_stream","database":"dev","table":"t","force":true}' '.purged >= 100'
	node_run n2
	wait_until 30 counts n2 t 102
	comes_right
}

@test "a second node of the same name is noticed, loudly" {
	over_nats
	node_make twin CLUSTERING_NODENAME=n1
	node_run twin
	wait_until 20 node_ready twin
	route twin n2
	for n in twin n1 n2; do
		wait_until 15 grep -q 'TWO NODES ARE CALLED n1' "$HL_T/nodes/$n/log"
		wait_until 5 eval 'ask $n "{\"operation\":\"cluster_status\"}" |
		    jq -e ".warnings[] | select(.kind == \"duplicate_name\") | .nodes == [\"n1\"]"'
	done
	wait_until 5 eval 'ask n2 "{\"operation\":\"cluster_status\"}" |
	    jq -e "[.connections[].status] == [\"closed\"]"'
	node_stop twin
	comes_right
}
