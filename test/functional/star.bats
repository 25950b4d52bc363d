#!/usr/bin/env bats
# Two edges behind a firewall: their leafs dial the hub of n0, nothing dials in.

load node.bash

start_nodes()
{
	node_start n0 CLUSTERING_REPUBLISHMESSAGES=true
	node_start e1
	node_start e2
	leaf_route e1 n0
	leaf_route e2 n0
	for n in e1 e2; do
		wait_until 20 can_reach n0 $n
		wait_until 20 can_reach $n n0
	done
}

can_reach()
{
	ask "$1" '{"operation":"cluster_network","timeout":1000}' |
	    jq -e --arg n "$2" '[.nodes[].name] | index($n) != null'
}

@test "leaf routes are kept and shown" {
	ok e1 '{"operation":"cluster_get_routes"}' "(.hub == []) and (.leaf[0].port == $(port n0 leafnodes))"
}

@test "an edge and the centre carry rows both ways, called on either" {
	make_table n0 sensor
	subscribe n0 e1 sensor
	subscribe e2 n0 sensor
	insert e1 sensor '{"id":"e1","t":20.5}'
	insert e2 sensor '{"id":"e2","t":21.5}'
	insert n0 sensor '{"id":"n0"}'
	for n in n0 e1 e2; do
		wait_until 10 counts $n sensor 3
	done
	same_rows 5 sensor n0 e1 e2
}

@test "the edges can subscribe to each other" {
	make_table e1 direct
	subscribe e1 e2 direct
	insert e1 direct '{"id":1}'
	insert e2 direct '{"id":2}'
	wait_until 10 has_row e2 direct 1
	wait_until 10 has_row e1 direct 2
	same_rows 5 direct e1 e2
}

@test "an edge that was away catches up, and what it wrote meanwhile arrives" {
	make_table n0 away
	subscribe n0 e1 away
	node_kill n0 hub STOP
	load_rows n0 away "$HL_T/away.0" -k n -n 500 -c 4
	load_rows e1 away "$HL_T/away.1" -k e -n 500 -c 4
	node_kill n0 hub CONT
	wait_until 30 counts n0 away 1000
	wait_until 30 counts e1 away 1000
	same_rows 10 away n0 e1
}

@test "the centre restarted: the edges come back by themselves" {
	make_table n0 again
	subscribe n0 e1 again
	node_stop n0
	insert e1 again '{"id":"while down"}'
	node_run n0
	wait_until 30 has_row n0 again '"while down"'
	insert n0 again '{"id":"after"}'
	wait_until 10 has_row e1 again '"after"'
	same_rows 5 again n0 e1
}
