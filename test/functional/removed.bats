#!/usr/bin/env bats
# Who is removed is out over NATS as well, where it dials a hub: n1 and n2 are hubs, e1 and e2 edges of n1,
# e1 by a WebSocket.  All are members by links, too; n1 has the address 127.0.1.1, e1 127.0.1.11, and so on.

load node.bash

start_nodes()
{
	local n

	link_port=$(hl_ports)
	websocket_port=$((link_port + 1))
	export link_port websocket_port
	for n in n1 n2 e1 e2; do
		node_make $n "REPLICATION_HOSTNAME=$(host $n)" "REPLICATION_SECUREPORT=$(host $n):$link_port" \
		    "OPERATIONSAPI_NETWORK_HOST=127.0.0.1,$(host $n)"
		sed -i "s|^    port: $(port $n api)\$|&\n    securePort: $(secure_port $n)|" "$HL_T/nodes/$n/hubleaf.yaml"
	done
	echo "CLUSTERING_HUBSERVER_LEAFNODES_NETWORK_WEBSOCKETPORT=$websocket_port" >>"$HL_T/nodes/n1/env"
	for n in n1 n2 e1 e2; do
		node_run $n
		wait_until 20 node_ready $n
	done
	route n2 n1
	ok e1 "{\"operation\":\"cluster_set_routes\",\"server\":\"leaf\",\"routes\":[
	    {\"host\":\"127.0.0.1\",\"port\":$websocket_port,\"tls\":\"wss\"}]}"
	leaf_route e2 n1
	wait_until 20 in_network n1 n2 e1 e2
	for n in n2 e1 e2; do
		join $n
	done
}

host()
{
	local n=${1#n}

	echo "127.0.1.${n/e/1}"
}

secure_port()
{
	echo $(($(port "$1" api) + 1))
}

join()		# join NODE: by a token of n1
{
	local token

	token=$(ask n1 '{"operation":"create_join_token"}' | jq -r .token)
	ok "$1" "{\"operation\":\"add_node\",\"hostname\":\"$(host n1)\",\"port\":$link_port,
	    \"operations_port\":$(secure_port n1),\"authorization\":\"$token\"}"
	wait_until 30 member "$1"
}

member()	# member NODE: n1 and n2 are linked with it
{
	local n

	for n in n1 n2; do
		[ "$n" = "$1" ] || ask $n '{"operation":"cluster_status"}' | jq -e --arg n "$1" \
		    'any(.connections[]; .node_name == $n and .status == "open")' || return 1
	done
}

says()		# says NODE WORDS: of a leaf link, in cluster_status
{
	ask "$1" '{"operation":"cluster_status"}' |
	    jq -e --arg w "$2" 'any(.warnings[]; .kind == "handshake" and .link == "leaf" and (.message | contains($w)))'
}

leaf_link()	# leaf_link NODE PORT: its leaf's connection there
{
	ss -Htnp state established "dport = :$2" | grep "pid=$(node_pid "$1" leaf)," | awk '{ print $3 }'
}

removed()	# removed NODE BY: its leaf link with n1 ended, and what it tries is refused, with reasons
{
	ok "$2" "{\"operation\":\"remove_node\",\"hostname\":\"$(host "$1")\"}"
	wait_until 10 grep -q "the leaf link of node $1, which was removed, .* is ended" "$HL_T/nodes/n1/log"
	wait_until 10 says n1 "is refused: '$1' was removed from the cluster by '$(host "$2")'"
	wait_until 10 says "$1" "is refused there: this node was removed from the cluster"
	grep -q "A leaf link from 127.0.0.1.* is refused: '$1' was removed" "$HL_T/nodes/n1/log"
}

@test "remove_node ends the leaf link of an edge, and keeps it out; others keep theirs" {
	local link pid

	pid=$(node_pid n1 hub)
	link=$(leaf_link e2 "$(port n1 leafnodes)")
	[ -n "$link" ]
	removed e1 n2
	wait_until 20 in_network n1 n2 e2
	in_network e1
	[ "$(leaf_link e2 "$(port n1 leafnodes)")" = "$link" ]
	[ "$(node_pid n1 hub)" = "$pid" ]
}

@test "a restart lets it in no more than before" {
	node_stop n1
	node_run n1
	wait_until 20 node_ready n1
	wait_until 20 in_network n1 n2 e2
	wait_until 10 says n1 "is refused: '"
	in_network e1
}

@test "added again, it comes back by itself; another is removed by the hub's own node" {
	local link

	join e1
	wait_until 20 in_network n1 n2 e1 e2
	link=$(leaf_link e1 "$websocket_port")
	removed e2 n1
	wait_until 20 in_network n1 n2 e1
	[ "$(leaf_link e1 "$websocket_port")" = "$link" ]
	join e2
	wait_until 20 in_network n1 n2 e1 e2
}
