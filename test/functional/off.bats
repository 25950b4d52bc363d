#!/usr/bin/env bats
# What is written while clustering is off is not lost for the others.

load node.bash

start_nodes()
{
	node_make n1 CLUSTERING_ENABLED=false
	node_run n1
	make_table n1 t
	insert n1 t '{"id":"alone"}'
	clustering n1 true
	node_start n2
	mesh n1 n2
}

clustering()	# clustering NODE true|false: restarted with it
{
	node_stop "$1"
	echo "CLUSTERING_ENABLED=$2" >>"$HL_T/nodes/$1/env"
	node_run "$1"
	[ "$2" = false ] || wait_until 20 node_ready "$1"
}

@test "before there were others: a start time brings it" {
	local after

	after=$(date -u +%FT%T.%3NZ)
	insert n1 t '{"id":"with"}'
	subscribe n1 n2 t true true "$after"
	wait_until 10 has_row n2 t '"with"'
	counts n2 t 1
	subscribe n1 n2 t true true 2000-01-01T00:00:00.000Z
	wait_until 10 has_row n2 t '"alone"'
	same_rows 5 t n1 n2
}

@test "while others subscribe: they get it when clustering is on again" {
	clustering n1 false
	insert n1 t '{"id":"off"},{"id":"gone"}'
	delete n1 t '"gone","with"'
	insert n2 t '{"id":"other"}'
	clustering n1 true
	wait_until 20 has_row n2 t '"off"'
	wait_until 20 has_row n1 t '"other"'
	wait_until 5 has_no_row n2 t '"with"'
	same_rows 5 t n1 n2
}
