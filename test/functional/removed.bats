#!/usr/bin/env bats
# Who is removed is out over NATS as well, where it dials a hub: n1 and n2 are hubs, e1 and e2 edges of n1,
# e1 by a WebSocket.  All are members by links, too; n1 has the address 127.0.1.1, e1 127.0.1.11, and so on.
# n3 and e3, its edge, are a cluster of their own, with certificates that an operator has made.

load node.bash
load certs.bash

start_nodes()
{
	local n

	link_port=$(hl_ports)
	websocket_port=$((link_port + 1))
	export link_port websocket_port
	for n in n1 n2 e1 e2; do
		member_make $n
	done
	echo "CLUSTERING_HUBSERVER_LEAFNODES_NETWORK_WEBSOCKETPORT=$websocket_port" >>"$HL_T/nodes/n1/env"
	echo "NATSSERVER_PATH=$HL_T/nats-server" >>"$HL_T/nodes/n1/env"
	for n in n2 n1 e1 e2; do
		[ $n = n2 ] || wrap
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

member_make()	# member_make NODE [KEY=VALUE...]
{
	local n=$1

	shift
	node_make "$n" "REPLICATION_HOSTNAME=$(host "$n")" "REPLICATION_SECUREPORT=$(host "$n"):$link_port" \
	    "OPERATIONSAPI_NETWORK_HOST=127.0.0.1,$(host "$n")" "$@"
	sed -i "s|^    port: $(port "$n" api)\$|&\n    securePort: $(secure_port "$n")|" "$HL_T/nodes/$n/hubleaf.yaml"
}

wrap()		# n1's nats-server accepts no other configuration while $HL_T/hold is there
{
	cat >"$HL_T/nats-server" <<-END
	#!/bin/sh
	[ "\$1" != -t ] || [ ! -e "$HL_T/hold" ] || exit 1
	exec $(readlink "/proc/$(node_pid n2 hub)/exe") "\$@"
	END
	chmod +x "$HL_T/nats-server"
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
	join_by "$1" n1
	wait_until 30 member "$1" n1 n2
}

join_by()	# join_by NODE MEMBER
{
	local token

	token=$(ask "$2" '{"operation":"create_join_token"}' | jq -r .token)
	ok "$1" "{\"operation\":\"add_node\",\"hostname\":\"$(host "$2")\",\"port\":$link_port,
	    \"operations_port\":$(secure_port "$2"),\"authorization\":\"$token\"}"
}

member()	# member NODE OTHER...: these are linked with it
{
	local n

	for n in "${@:2}"; do
		[ "$n" = "$1" ] || ask $n '{"operation":"cluster_status"}' | jq -e --arg n "$1" \
		    'any(.connections[]; .node_name == $n and .status == "open")' || return 1
	done
}

says()		# says NODE WORDS: of a leaf link, in cluster_status
{
	ask "$1" '{"operation":"cluster_status"}' |
	    jq -e --arg w "$2" 'any(.warnings[]; .kind == "handshake" and .link == "leaf" and (.message | contains($w)))'
}

no_handshake()	# no_handshake NODE: nothing is refused any more
{
	ask "$1" '{"operation":"cluster_status"}' | jq -e 'all(.warnings[]; .kind != "handshake")'
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
	wait_until 10 no_handshake n1
	wait_until 10 no_handshake e1
	link=$(leaf_link e1 "$websocket_port")
	removed e2 n1
	wait_until 20 in_network n1 n2 e1
	[ "$(leaf_link e1 "$websocket_port")" = "$link" ]
	join e2
	wait_until 20 in_network n1 n2 e1 e2
}

ended()		# ended NODE OF: how often its log says that the other's leaf link is ended
{
	grep -c "the leaf link of node $2, which was removed, .* is ended" "$HL_T/nodes/$1/log" || :
}

ended_once_more()	# ended_once_more NODE OF BEFORE
{
	[ "$(ended "$1" "$2")" = $(($3 + 1)) ]
}

lasts()		# lasts NODE OF WORDS: a removed node's leaf link, in cluster_status
{
	ask "$1" '{"operation":"cluster_status"}' | jq -e --arg n "$2" --arg w "$3" \
	    'any(.warnings[]; .kind == "removed_link" and .node_name == $n and (.message | contains($w)))'
}

no_removed_link()	# no_removed_link NODE
{
	ask "$1" '{"operation":"cluster_status"}' | jq -e 'all(.warnings[]; .kind != "removed_link")'
}

@test "a hub that takes over no configuration ends the link until it does: said meanwhile, and once" {
	local before

	before=$(ended n1 e2)
	touch "$HL_T/hold"
	ok n2 "{\"operation\":\"remove_node\",\"hostname\":\"$(host e2)\"}"
	wait_until 30 lasts n1 e2 "the hub server has not taken over yet"
	grep -q "node e2 was removed, but there is still a leaf link of it" "$HL_T/nodes/n1/log"
	[ "$(ended n1 e2)" = "$before" ]
	rm "$HL_T/hold"
	wait_until 40 ended_once_more n1 e2 "$before"
	wait_until 10 no_removed_link n1
	wait_until 10 says n1 "is refused: 'e2' was removed"
	[ "$(ended n1 e2)" = $((before + 1)) ]
	wait_until 20 in_network n1 n2 e1
}

own_make()	# own_make NODE: with a certificate of an operator's
{
	certificate ours "$1"
	member_make "$1" "CLUSTERING_TLS_CERTIFICATE=$HL_T/ca.ours/$1.pem" "CLUSTERING_TLS_PRIVATEKEY=$HL_T/ca.ours/$1.key" \
	    "CLUSTERING_TLS_CERTIFICATEAUTHORITY=$HL_T/ca.ours/ca.pem" CLUSTERING_TLS_VERIFY=true
	node_run "$1"
	wait_until 20 node_ready "$1"
}

@test "with certificates of one's own a removed node's link comes back: said, with the cure, which helps" {
	local key

	authority ours
	own_make n3
	own_make e3
	leaf_route e3 n3
	wait_until 20 in_network n3 e3
	join_by e3 n3
	wait_until 20 member e3 n3
	ok n3 "{\"operation\":\"remove_node\",\"hostname\":\"$(host e3)\"}"
	wait_until 30 lasts n3 e3 "clustering.tls.pinned"
	[ "$(ended n3 e3)" = 0 ]
	key=$(openssl x509 -in "$HL_T/ca.ours/n3.pem" -noout -pubkey | openssl pkey -pubin -outform der | sha256sum)
	ok n3 "{\"operation\":\"set_configuration\",\"clustering_tls_pinned\":[\"${key%% *}\"]}"
	wait_until 30 no_removed_link n3
	wait_until 20 in_network n3
}
