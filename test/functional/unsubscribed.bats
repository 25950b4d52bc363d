#!/usr/bin/env bats
# What nobody subscribes to does not leave the node; who subscribes later gets all of it.

load node.bash

start_nodes()
{
	node_start a
	node_start b
	mesh a b
	for t in shared alone; do
		make_table a $t
	done
	subscribe a b shared true false
}

in_stream()	# in_stream NODE TEXT: it stands in the files of its stream; a link has none
{
	! by_links || return 0
	find "$(root "$1")/clustering" -name '*.blk' -exec cat {} + | grep -qaF -- "$2"
}

not_in_stream()
{
	! by_links || return 0
	! in_stream "$@"
}

passed()	# passed NODE: nothing of its log is waiting to go there
{
	! by_links || return 0
	ask "$1" '{"operation":"system_information","attributes":["metrics"]}' |
	    jq -e '.. | .transaction_log? // empty | .in_stream == .durable'
}

@test "rows of a table that nobody gets are not in the stream" {
	insert a alone '{"id":1,"text":"for-nobody"}'
	insert a shared '{"id":1,"text":"for-somebody"}'
	wait_until 10 has_row b shared 1
	insert a alone '{"id":2,"text":"for-nobody"}'
	wait_until 5 passed a
	in_stream a for-somebody
	not_in_stream a for-nobody
}

@test "leafd and opsd killed: both go on, and neither gives out more" {
	node_kill a leafd
	insert a alone '{"id":3,"text":"for-nobody"}'
	insert a shared '{"id":2,"text":"after-leafd"}'
	wait_until 15 has_row b shared 2
	node_kill a opsd
	wait_until 15 node_answers a
	insert a alone '{"id":4,"text":"for-nobody"}'
	insert a shared '{"id":3}'
	wait_until 15 has_row b shared 3
	wait_until 5 passed a
	not_in_stream a for-nobody
}

@test "who subscribes later gets what was written before, meanwhile and after" {
	load_rows a alone "$HL_T/alone" -k w -d 3 -r 300 -c 4 &
	sleep 0.5
	subscribe a b alone true false 2000-01-01T00:00:00.000Z
	insert a alone '{"id":5,"text":"after-it"}'
	wait_until 10 has_row b alone 5
	wait
	wait_until 10 holds_all b alone "$HL_T/alone"
	same_rows 10 alone a b
	in_stream a after-it
}

@test "who subscribes gets what comes, without a gap" {
	make_table a busy
	load_rows a busy "$HL_T/busy" -k w -d 3 -r 300 -c 4 &
	sleep 0.5
	subscribe a b busy true false
	wait
	insert a busy '{"id":"last"}'
	wait_until 10 has_row b busy '"last"'
	! grep 'cursor dev.busy from node a: ' "$HL_T/nodes/b/log" || return 1
}

@test "a new table under * is on both sides from its first row on" {
	make_table a other archive
	ok a '{"operation":"set_node_replication","node_name":"b","subscriptions":[
	    {"database":"archive","table":"*","publish":true,"subscribe":false}]}'
	ok a '{"operation":"create_table","database":"archive","table":"late","primary_key":"id"}'
	wait_until 10 ok b '{"operation":"describe_table","database":"archive","table":"late"}'
}

@test "nobody gets it any more: it is not in the stream any more" {
	subscribe a b alone false false
	insert a alone '{"id":6,"text":"for-nobody-again"}'
	insert a shared '{"id":6}'
	wait_until 10 has_row b shared 6
	wait_until 5 passed a
	not_in_stream a for-nobody-again
	has_no_row b alone 6
	wait_until 10 purged a alone
}

purged()
{
	! by_links || return 0
	grep -q "messages of hl.txn.$1.dev.$2 purged" "$HL_T/nodes/$1/log"
}
