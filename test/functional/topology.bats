#!/usr/bin/env bats
# Subscriptions that leave nodes without data are said by the nodes that can know it.

load node.bash

start_nodes()
{
	for n in n1 n2 n3; do
		node_start $n
	done
	mesh n1 n2 n3
	make_table n2 t
	make_table n2 u
}

gaps()		# gaps NODE [TEXT...]: these, "from to tables", and no others
{
	local want

	want=$(printf '%s\n' "${@:2}" | sort)
	[ "$(ask "$1" '{"operation":"cluster_status"}' | jq -r '.warnings[] |
	    select(.kind == "topology_gap") | "\(.from) \(.to) \(.tables | join(","))"' | sort)" = "$want" ]
}

@test "two nodes need nobody between them" {
	subscribe n2 n1 t
	gaps n1
	gaps n2
}

@test "a chain without republishing: the middle and the ends say what does not arrive" {
	subscribe n2 n3 t
	wait_until 10 gaps n2 "n1 n3 dev.t" "n3 n1 dev.t"
	wait_until 10 gaps n1 "n3 n1 dev.t"
	wait_until 10 gaps n3 "n1 n3 dev.t"
	ok n2 '{"operation":"cluster_status"}' '.warnings[0] | .table_count == 1 and
	    (.message | contains("clustering.republishMessages"))'
	# It is so.
	insert n1 t '{"id":1}'
	wait_until 5 has_row n2 t 1
	has_no_row n3 t 1
}

@test "tables of the same two nodes are told together; one direction is one direction" {
	subscribe n2 n1 u false true
	subscribe n2 n3 u true false
	wait_until 10 gaps n2 "n1 n3 dev.t,dev.u" "n3 n1 dev.t"
}

@test "subscribed to each other, nothing is missing" {
	subscribe n1 n3 t
	subscribe n1 n3 u true false
	for n in n1 n2 n3; do
		wait_until 10 gaps $n
	done
}

@test "with republishing in the middle nothing is missing either" {
	ok n1 '{"operation":"remove_node","node_name":"n3"}'
	wait_until 10 gaps n2 "n1 n3 dev.t,dev.u" "n3 n1 dev.t"
	ok n2 '{"operation":"set_configuration","clustering_republishMessages":true}'
	for n in n1 n2 n3; do
		wait_until 10 gaps $n
	done
	insert n1 u '{"id":1}'
	wait_until 5 has_row n3 u 1
}
