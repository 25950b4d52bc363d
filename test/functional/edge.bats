#!/usr/bin/env bats
# Edges that may only dial out: through WebSockets, with more than one way, and after a
# change of the cluster's password.

load node.bash

start_nodes()
{
	# A port of a block of its own.
	hl_ports >"$HL_T/websocket"
	node_start n1 "CLUSTERING_HUBSERVER_LEAFNODES_NETWORK_WEBSOCKETPORT=$(cat "$HL_T/websocket")"
	node_start n2
	node_start n3
	mesh n1 n2 n3
	node_start edge
	make_table n1 t
}

reaches()	# reaches NODE OTHER
{
	ask "$1" '{"operation":"cluster_network","timeout":1000}' |
	    jq -e --arg n "$2" '[.nodes[].name] | index($n) != null'
}

delete_routes()	# delete_routes NODE PORT...
{
	local list

	list=$(printf '{"host":"127.0.0.1","port":%s}\n' "${@:2}" | paste -sd ,)
	ok "$1" "{\"operation\":\"cluster_delete_routes\",\"routes\":[$list]}" '.skipped == []'
}

@test "over a WebSocket" {
	ok edge "{\"operation\":\"cluster_set_routes\",\"server\":\"leaf\",\"routes\":[
	    {\"host\":\"127.0.0.1\",\"port\":$(cat "$HL_T/websocket"),\"tls\":\"wss\"}]}"
	wait_until 15 reaches n1 edge
	subscribe edge n1 t
	insert edge t '{"id":"edge"}'
	insert n1 t '{"id":"n1"}'
	wait_until 10 has_row n1 t '"edge"'
	wait_until 10 has_row edge t '"n1"'
	delete_routes edge "$(cat "$HL_T/websocket")"
}

@test "two hubs of one mesh are alternates: when one is gone, the other is dialled" {
	ok edge "{\"operation\":\"cluster_set_routes\",\"server\":\"leaf\",\"routes\":[
	    {\"host\":\"127.0.0.1\",\"port\":$(port n1 leafnodes)},
	    {\"host\":\"127.0.0.1\",\"port\":$(port n2 leafnodes)}]}"
	wait_until 15 reaches n3 edge
	make_table edge u
	subscribe edge n3 u
	insert edge u '{"id":"first"}'
	wait_until 10 has_row n3 u '"first"'
	ok edge '{"operation":"cluster_status"}' '.warnings == [] or ([.warnings[].kind] |
	    index("linked_twice") == null)'
	for gone in n1 n2; do
		node_stop $gone
		insert edge u "{\"id\":\"without $gone\"}"
		insert n3 u "{\"id\":\"back without $gone\"}"
		wait_until 20 has_row n3 u "\"without $gone\""
		wait_until 20 has_row edge u "\"back without $gone\""
		node_run $gone
		wait_until 20 node_ready $gone
		wait_until 20 reaches n3 $gone
	done
	same_rows 5 u edge n3
}

@test "another cluster password, one node after the other: apart for a while, then whole" {
	local n

	for n in edge n1 n2 n3; do
		ok $n '{"operation":"set_configuration","clustering_tls_secretOverlap":0}'
	done
	for n in edge n1 n2 n3; do
		ok $n '{"operation":"alter_user","username":"cluster","password":"another secret: ü@/%"}'
	done
	insert edge t '{"id":"changed edge"}'
	insert n1 t '{"id":"changed n1"}'
	insert edge u '{"id":"changed edge"}'
	insert n3 u '{"id":"changed n3"}'
	for n in n1 n2 n3; do
		wait_until 30 reaches edge $n
		wait_until 30 reaches $n edge
	done
	same_rows 20 t edge n1
	same_rows 20 u edge n3
	has_row n3 u '"changed edge"'
}

@test "who has the old password stays out" {
	node_start late
	route late n1
	wait_until 10 grep -q "certificate signed by unknown authority" "$HL_T/nodes/late/log"
	in_network late
	node_stop late
}
