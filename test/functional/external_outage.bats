#!/usr/bin/env bats
# Servers of somebody else's that are away for long: what is kept meanwhile has a limit, and all comes right
# again.  And what of the node's own servers can be said by nats.*.

load node.bash
load external.bash

setup_file()
{
	hl_begin
	start_nodes || { touch "$HL_T/failed"; return 1; }
}

teardown_file()
{
	local n

	for n in $(nodes); do
		node_stop "$n" || :
	done
	nats_end_all
	hl_end
}

start_nodes()
{
	local n

	nats_make x1
	nats_run x1
	for n in n1 n2; do
		node_start $n NATS_URLS="$(nats_urls '' x1)" CLUSTERING_LEAFSERVER_STREAMS_MAXBYTES=1048576
	done
	wait_until 20 in_network n1 n2
	make_table n1 t
	subscribe n1 n2 t
	insert n1 t '{"id":"both"},{"id":"goes"}'
	same_rows 20 t n1 n2
}

log_of()	# log_of NODE JQ: about its log
{
	ask "$1" '{"operation":"system_information","attributes":["metrics"]}' |
	    jq -e ".metrics.transaction_log | $2"
}

big_rows()	# big_rows NODE N: half a megabyte each, which does not get smaller
{
	local i

	head -c 375000 /dev/urandom | base64 -w 0 >"$HL_T/text"
	for ((i = 0; i < $2; i++)); do
		printf '{"operation":"insert","database":"dev","table":"t","records":[{"id":"%s-%d","text":"%s"}]}' \
		    "$1" "$i" "$(cat "$HL_T/text")" >"$HL_T/body"
		ok "$1" "@$HL_T/body" || return 1
	done
}

@test "away while much more is written than the log may keep: it stays small, and all is copied then" {
	nats_end x1 KILL
	wait_until 20 in_network n1
	big_rows n1 40
	big_rows n2 40
	delete n1 t '"goes"'
	wait_until 60 log_of n1 '.trimmed > 20'
	wait_until 60 log_of n2 '.trimmed > 5'
	# Theirs is new: nothing is left of what it had.
	rm -rf "$HL_T/nats/x1/store"
	nats_run x1
	same_rows 120 t n1 n2
	has_no_row n2 t '"goes"'
	counts n1 t 81
	grep -q 'cursor dev.t from node n1: copy' "$HL_T/nodes/n2/log"
	no_warnings n1
	insert n2 t '{"id":"after"}'
	wait_until 10 has_row n1 t '"after"'
}

@test "other names, another server, and back: the daemons begin anew, and nothing is lost" {
	local n

	for n in n1 n2; do
		ok $n '{"operation":"set_configuration","nats_stream_prefix":"other","nats_subject_prefix":"o.p"}'
	done
	for n in n1 n2; do
		ok $n '{"operation":"restart_service","service":"clustering"}'
	done
	wait_until 30 in_network n1 n2
	insert n1 t '{"id":"renamed"}'
	wait_until 20 has_row n2 t '"renamed"'
	wait_until 20 [ "$(nats_streams | jq -r '[.[].name | select(startswith("other_"))] | sort | join(" ")')" = "other_n1 other_n2" ]
	# What they had under their former names is deleted.
	wait_until 20 former_are_gone
}

former_are_gone()
{
	[ "$(nats_streams | jq -r '[.[].name] | sort | join(" ")')" = "other_n1 other_n2" ]
}

own_port()	# own_port NODE PORT: what listens there says that it is a NATS server, and which
{
	local fd line

	exec {fd}<>"/dev/tcp/127.0.0.1/$2" || return 1
	IFS= read -r -t 5 line <&"$fd"
	exec {fd}>&-
	[[ $line == 'INFO {'*"\"server_name\":\"$1-leaf"* ]]
}

@test "a node with servers of its own: another address, and more of their configuration" {
	local port

	port=$(hl_ports)
	cat >"$HL_T/more.conf" <<-END
	max_connections: 77
	server_name: theirs
	websocket { listen: "127.0.0.1:$((port + 1))", no_tls: true }
	END
	node_start n3 NATS_BIND_ADDRESS="127.0.0.1:$port" NATS_SERVER_CONFIG="$HL_T/more.conf" \
	    NATS_SUBJECT_PREFIX=mine
	own_port n3 "$port"
	[ -z "$(ss -Hltn "sport = $(port n3 leaf)")" ]
	[ -n "$(ss -Hltn "sport = $((port + 1))")" ]
	echo 'no_such_key: 1' >>"$HL_T/more.conf"
	ok n3 '{"operation":"restart_service","service":"clustering"}' || :
	wait_until 20 refused_file
	sed -i '$d' "$HL_T/more.conf"
	wait_until 30 node_ready n3
}

refused_file()
{
	ask n3 '{"operation":"cluster_status"}' |
	    jq -e '[.warnings[] | select(.kind == "server" and (.message | contains("no_such_key")))] | length > 0'
}

@test "hubleaf run -cluster-addr and -cluster-peers" {
	local n

	for n in n4 n5; do
		node_make $n
		sed -i "/cluster:/,/advertise/{/network:/d; /host:/d; /port:/d; /advertise/d; /^    cluster:/d}" \
		    "$HL_T/nodes/$n/hubleaf.yaml"
		[ -z "$(grep "$(port $n cluster)" "$HL_T/nodes/$n/hubleaf.yaml")" ]
	done
	HL_RUN_FLAGS="-cluster-addr 127.0.0.1:$(port n4 cluster)" node_run n4
	HL_RUN_FLAGS="-cluster-addr 127.0.0.1:$(port n5 cluster) -cluster-peers nats://127.0.0.1:$(port n4 cluster)/" node_run n5
	wait_until 20 in_network n4 n5
	ok n5 '{"operation":"get_configuration"}' \
	    ".clustering.hubServer.cluster.network.routes == [{\"host\":\"127.0.0.1\",\"port\":$(port n4 cluster)}]"
}
