#!/usr/bin/env bats
# What a node keeps for others that are away, and for how long.

load node.bash

start_nodes()
{
	for n in n1 n2; do
		node_start $n CLUSTERING_LEAFSERVER_STREAMS_MAXAGE=2 STORAGE_TOMBSTONERETENTION=1
	done
	mesh n1 n2
	make_table n1 t
	subscribe n1 n2 t
	make_table n1 u
	insert n1 u '{"id":1}'
	insert n1 t '{"id":1},{"id":2}'
	wait_until 5 counts n2 t 2
}

logged()	# logged NODE TABLE N: so many transactions are in its log
{
	ask "$1" "{\"operation\":\"read_transaction_log\",\"database\":\"dev\",\"table\":\"$2\"}" |
	    jq -e "length == $3"
}

lacks()		# lacks NODE N: the other one lacks so much of its log
{
	ask "$1" '{"operation":"cluster_status"}' | jq -e ".connections[0].subscriptions[0].peer_lag == $2"
}

@test "what everybody has goes when it is old" {
	wait_until 5 lacks n1 0
	wait_until 30 logged n1 t 0
}

@test "what a node lacks goes, too, when it is three times as old; it gets a copy, with what was deleted" {
	node_stop n2
	delete n1 t 1
	update n1 t '{"id":2,"a":1}'
	insert n1 t '{"id":3}'
	logged n1 t 3
	wait_until 30 logged n1 t 0
	node_run n2
	wait_until 20 has_row n2 t 3
	has_row n2 t 2 '.a == 1'
	wait_until 5 has_no_row n2 t 1
	grep -q 'cursor dev.t from node n1: copy' "$HL_T/nodes/n2/log"
	insert n2 t '{"id":4}'
	wait_until 5 has_row n1 t 4
	same_rows 5 t n1 n2
}

@test "a start time before the log begins is served by a copy" {
	logged n1 u 0
	subscribe n2 n1 u false true 2000-01-01T00:00:00.000Z
	wait_until 10 has_row n2 u 1
}

log_of()	# log_of NODE JQ: about its log
{
	ask "$1" '{"operation":"system_information","attributes":["metrics"]}' |
	    jq -e ".metrics.transaction_log | $2"
}

@test "leafd away: what is too old goes all the same, and the others get a copy" {
	node_kill n1 leafd STOP
	insert n1 t '{"id":5}'
	delete n1 t 3
	wait_until 40 logged n1 t 0
	node_kill n1 leafd CONT
	wait_until 20 has_row n2 t 5
	wait_until 5 has_no_row n2 t 3
	insert n1 t '{"id":6}'
	wait_until 10 has_row n2 t 6
	same_rows 10 t n1 n2
}

@test "leafd away: so does what is too much" {
	node_start n3 CLUSTERING_LEAFSERVER_STREAMS_MAXBYTES=1048576
	make_table n3 big
	node_kill n3 leafd STOP
	head -c 750000 /dev/urandom | base64 -w 0 >"$HL_T/text"
	for i in {1..60}; do
		printf '{"operation":"insert","database":"dev","table":"big","records":[{"id":%d,"text":"%s"}]}' \
		    "$i" "$(cat "$HL_T/text")" >"$HL_T/body"
		ok n3 "@$HL_T/body"
	done
	wait_until 40 log_of n3 '.trimmed > 30'
	# What is within the limit stays.
	log_of n3 '.trimmed < .last'
	node_kill n3 leafd CONT
}
