#!/usr/bin/env bats
# Processes killed at random while rows are written on two nodes.

load node.bash

start_nodes()
{
	node_start n1
	node_start n2
	node_start n3
	mesh n1 n2 n3
}

table()		# once those that were started anew have met
{
	wait_until 20 in_network n1 n2 n3
	wait_until 20 in_network n2 n1 n3
	make_table n1 "$1"
	subscribe n1 n2 "$1"
	subscribe n1 n3 "$1"
	subscribe n2 n3 "$1"
}

# kill_under_load TABLE SECONDS NODE PROCESS...: one of the processes each 0.3 to 0.8 s
kill_under_load()
{
	local table=$1 seconds=$2 node=$3 n p end

	for n in n1 n2; do
		load_rows $n "$table" "$HL_T/$table.$n" -k $n -d "$seconds" -c 8 -r 1500 \
		    >"$HL_T/$table.$n.out" 2>&1 &
	done
	end=$((SECONDS + seconds - 1))
	shift 3
	while [ $SECONDS -lt $end ]; do
		sleep 0.$((RANDOM % 6 + 3))
		p=${*:$((RANDOM % $# + 1)):1}
		node_kill "$node" "$p" KILL 2>/dev/null || :
	done
	wait
	cat "$HL_T/$table".n?.out
	[ -s "$HL_T/$table.n1" ]
	[ -s "$HL_T/$table.n2" ]
	for n in n1 n2 n3; do
		wait_until 20 node_answers $n
	done
}

# Every acknowledged row on every node, the tables equal, each transaction applied once.
all_arrived()
{
	local table=$1 n

	insert n1 "$table" '{"id":"end 1"}'
	insert n2 "$table" '{"id":"end 2"}'
	for n in n1 n2 n3; do
		wait_until 40 has_row $n "$table" '"end 1"'
		wait_until 40 has_row $n "$table" '"end 2"'
	done
	same_rows 15 "$table" n1 n2 n3
	holds_all n3 "$table" "$HL_T/$table.n1" "$HL_T/$table.n2"
}

cursors()	# cursors NODE TABLE: up to where it has the table of each peer
{
	curl -s -m 10 -u "$HL_USER:$HL_PASSWORD" "http://127.0.0.1:$(port "$1" api)/metrics" |
	    grep '^hubleaf_replication_cursor{.*direction="received"' | grep -F "table=\"$2\"" | grep -v ' 0$' | sort
}

@test "opsd killed" {
	table opsd
	kill_under_load opsd 8 n1 opsd
	all_arrived opsd
}

@test "opsd of a receiver killed" {
	table receiver
	kill_under_load receiver 8 n3 opsd
	all_arrived receiver
	# Where it stands in both logs is on its disk as its rows are: killed once more, with nobody to ask.
	has=$(cursors n3 receiver)
	[ "$(wc -l <<<"$has")" = 2 ]
	node_stop n1
	node_stop n2
	node_kill n3 opsd
	wait_until 20 node_answers n3
	[ "$(cursors n3 receiver)" = "$has" ]
	node_run n1
	node_run n2
}

@test "leafd and the leaf server killed" {
	table leaf
	kill_under_load leaf 8 n1 leafd leaf
	all_arrived leaf
}

@test "hubd and the hub server killed" {
	table hub
	kill_under_load hub 8 n2 hubd hub
	all_arrived hub
}

@test "any of the five killed" {
	table any
	kill_under_load any 12 n2 opsd leafd hubd leaf hub
	all_arrived any
}

@test "the whole node killed at once and started again" {
	table whole
	load_rows n1 whole "$HL_T/whole.n1" -k n1 -d 4 -c 8 >"$HL_T/whole.out" 2>&1 &
	load=$!
	load_rows n2 whole "$HL_T/whole.n2" -k n2 -d 4 -c 8 -r 1000 &
	load="$load $!"
	sleep 2
	# shellcheck disable=SC2046 # a list of pids
	kill -KILL "$(node_pid n1 run)" $(node_processes "$HL_T/nodes/n1")
	wait_until 5 node_is_gone n1
	node_run n1
	# The node is a child of this shell too: wait for the load only.
	# shellcheck disable=SC2086 # a list of pids
	wait $load
	all_arrived whole
}
