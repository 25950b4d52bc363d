#!/usr/bin/env bats
# A leaf route into the mesh that the node's own hub belongs to: everything arrives twice,
# which does no harm, and is said.

load node.bash

start_nodes()
{
	for n in n1 n2 n3; do
		node_start $n
	done
	mesh n1 n2 n3
	make_table n1 t
	subscribe n1 n2 t
	subscribe n2 n3 t
	subscribe n1 n3 t
}

warned()	# warned NODE KIND JQ
{
	ask "$1" '{"operation":"cluster_status"}' |
	    jq -e "[.warnings[] | select(.kind == \"$2\")] | $3"
}

# The names of one host differ, as they do with an address and a name.
link_twice()
{
	ok n2 "{\"operation\":\"cluster_set_routes\",\"server\":\"leaf\",\"routes\":[
	    {\"host\":\"localhost\",\"port\":$(port n1 leafnodes)}]}"
}

lines()		# lines NODE TEXT: how many log lines have it
{
	grep -cF -- "$2" "$HL_T/nodes/$1/log" || :
}

@test "nothing is warned of before" {
	# Of the subscriptions the nodes have to hear first.
	for n in n1 n2 n3; do
		wait_until 10 no_warnings $n
	done
}


@test "a route to a host that both servers name is refused" {
	refused n2 409 "{\"operation\":\"cluster_set_routes\",\"server\":\"leaf\",\"routes\":[
	    {\"host\":\"127.0.0.1\",\"port\":$(port n1 leafnodes)}]}" \
	    "a leaf that is linked into the mesh of its own hub gets every message twice"
}

@test "otherwise it is noticed, and shown by all whom it concerns" {
	link_twice
	wait_until 15 warned n2 linked_twice \
	    '.[0].nodes == ["n1", "n3"] and (.[0].message | contains("leaf route of this node"))'
	wait_until 15 warned n1 linked_twice \
	    '.[0].nodes == ["n2"] and (.[0].message | contains("leaf route of theirs"))'
	wait_until 15 warned n3 linked_twice '.[0].nodes == ["n2"]'
	"$HL_CLI" -c "$HL_T/nodes/n2/hubleaf.yaml" status json=true |
	    jq -e '.clustering.replication.warnings[0].kind == "linked_twice"'
}

@test "rows arrive all the same, once, and nothing is read again and again" {
	local before

	before=$(lines n2 "consuming after")
	load_rows n1 t "$HL_T/one" -k a -n 5000 -c 16
	load_rows n2 t "$HL_T/two" -k b -n 5000 -c 16
	for n in n1 n2 n3; do
		wait_until 20 counts $n t 10000
	done
	same_rows 5 t n1 n2 n3
	# One audit entry a transaction.
	ok n3 '{"operation":"read_audit_log","database":"dev","table":"t"}' 'length == 10000'
	[ "$(lines n2 "consuming after")" -le $((before + 1)) ]
	[ "$(lines n2 "messages were lost")" = 0 ]
	[ "$(lines n3 "messages were lost")" = 0 ]
	[ "$(lines n2 "arrives twice")" = 1 ]
}

@test "without the route the warning goes" {
	ok n2 "{\"operation\":\"cluster_delete_routes\",\"routes\":[
	    {\"host\":\"localhost\",\"port\":$(port n1 leafnodes)}]}"
	for n in n1 n2 n3; do
		wait_until 25 warned $n linked_twice 'length == 0'
	done
	insert n2 t '{"id":"after"}'
	wait_until 10 has_row n1 t '"after"'
	wait_until 10 has_row n3 t '"after"'
}
