#!/usr/bin/env bats
# A node gets another name: its id stays, and so do its subscriptions.

load node.bash

start_nodes()
{
	node_start n1
	node_start n2
	mesh n1 n2
	make_table n1 t
	subscribe n1 n2 t
	insert n1 t '{"id":1}'
	wait_until 5 has_row n2 t 1
}

connection_is()	# connection_is NODE OTHER STATUS: the only one
{
	[ "$(ask "$1" '{"operation":"cluster_status"}' |
	    jq -r '.connections[] | "\(.node_name) \(.status)"')" = "$2 $3" ]
}

@test "peers learn the new name and everything flows on" {
	node_stop n1
	insert n2 t '{"id":"meanwhile"}'
	sed -i 's/nodeName: n1$/nodeName: other/' "$HL_T/nodes/n1/hubleaf.yaml"
	node_run n1
	insert n1 t '{"id":2}'
	wait_until 15 has_row n2 t 2
	wait_until 15 has_row n1 t '"meanwhile"'
	wait_until 5 connection_is n2 other open
	wait_until 5 connection_is n1 n2 open
	same_rows 5 t n1 n2
	ok n2 '{"operation":"search_by_value","database":"system","table":"hdb_nodes","attribute":"name",
	    "value":"*","get_attributes":["name"]}' '[.[].name] == ["other"]'
	ok n2 '{"operation":"update_node","node_name":"other","subscriptions":[
	    {"database":"dev","table":"t","publish":true,"subscribe":true}]}' '.skipped | length == 1'
}

@test "what the stream of the former name took is free" {
	[ "$(ls "$(root n1)/clustering/leaf/jetstream/DATA/streams")" = HL_other ]
}

@test "back to the former name" {
	node_stop n1
	sed -i 's/nodeName: other$/nodeName: n1/' "$HL_T/nodes/n1/hubleaf.yaml"
	node_run n1
	for i in {3..30}; do
		insert n1 t "{\"id\":$i}"
	done
	wait_until 15 has_row n2 t 30
	same_rows 5 t n1 n2
	connection_is n2 n1 open
}
