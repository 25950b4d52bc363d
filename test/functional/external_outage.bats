#!/usr/bin/env bats
# Servers of somebody else's that are away for long: what is kept meanwhile has a limit, and all comes right
# again.  And what of the node's own servers can be said by nats.*.

load node.bash
load external.bash

servers="x1 x2 x3"

start_nodes()
{
	local n

	nats_make $servers
	nats_run $servers
	for n in n1 n2; do
		clock_make $n NATS_URLS="$(nats_urls '' $servers)" REPLICATION_LOG_REPLICAS=3 \
		    CLUSTERING_LEAFSERVER_STREAMS_MAXBYTES=1048576
		node_run $n
		wait_until 20 node_ready $n
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

servers_end()	# servers_end: all at once
{
	local s

	for s in $servers; do
		nats_end $s KILL
	done
}

waits()		# waits NODE JQ: what cluster_status says of what waits in its log; hubleaf status has its words
{
	local text

	text=$(ask "$1" '{"operation":"cluster_status"}' |
	    jq -er ".warnings[] | select(.kind == \"log_waits\") | if $2 then .message else empty end") || return 1
	"$HL_CLI" -c "$HL_T/nodes/$1/hubleaf.yaml" status | grep -F -- "${text:20:100}"
}

@test "all servers away while much more is written than the log may keep: it stays small, and all is copied then" {
	local n

	servers_end
	wait_until 20 in_network n1
	big_rows n1 1
	wait_until 20 waits n1 '.transactions > 0 and .given_up == 0 and .since > 1e12'
	big_rows n1 40
	big_rows n2 40
	delete n1 t '"goes"'
	wait_until 60 log_of n1 '.trimmed > 20'
	wait_until 60 log_of n2 '.trimmed > 5'
	for n in n1 n2; do
		# Three times a megabyte, as far as the store can tell how much entries take.
		wait_until 20 log_of $n '.last - .trimmed < 30'
		wait_until 20 waits $n '.transactions > 0 and .given_up > 5 and (.message | contains("streams.maxAge"))'
	done
	# Theirs are new: nothing is left of what they had.
	rm -rf "$HL_T"/nats/*/store
	nats_run $servers
	same_rows 120 t n1 n2
	has_no_row n2 t '"goes"'
	counts n1 t 81
	grep -q 'cursor dev.t from node n1: copy' "$HL_T/nodes/n2/log"
	wait_until 60 no_warnings n1
	insert n2 t '{"id":"after"}'
	wait_until 10 has_row n1 t '"after"'
}

@test "away for three weeks: what is older than the log keeps is copied, the rest comes from it" {
	local n

	servers_end
	for n in n1 n2; do
		load_rows $n t "$HL_T/first.$n" -k first-$n -n 300 -c 4
	done
	delete n1 t '"both"'
	for n in n1 n2; do
		clock_set $n $((22 * 24 * 3600 * 1000))
		load_rows $n t "$HL_T/last.$n" -k last-$n -n 300 -c 4
		wait_until 60 waits $n '.given_up >= 300 and .transactions >= 300'
	done
	nats_run $servers
	same_rows 120 t n1 n2
	for n in n1 n2; do
		holds_all $n t "$HL_T"/first.* "$HL_T"/last.*
		has_no_row $n t '"both"'
		wait_until 60 no_warnings $n
	done
}

@test "other names, another server, and back: the daemons begin anew, and nothing is lost" {
	local n

	# A server that is still catching up leaves streams out of its list.
	for n in $servers; do
		wait_until 60 nats_level $n
	done
	for n in n1 n2; do
		ok $n '{"operation":"set_configuration","nats_stream_prefix":"other","nats_subject_prefix":"o.p"}'
	done
	for n in n1 n2; do
		ok $n '{"operation":"restart_service","service":"clustering"}'
	done
	wait_until 30 in_network n1 n2
	insert n1 t '{"id":"renamed"}'
	wait_until 20 has_row n2 t '"renamed"'
	wait_until 20 [ "$(nats_streams | jq -r '[.[].name | select(startswith("other_"))] | unique | join(" ")')" = "other_n1 other_n2" ]
	# What they had under their former names is deleted.
	wait_until 20 former_are_gone
}

former_are_gone()
{
	[ "$(nats_streams | jq -r '[.[].name] | unique | join(" ")')" = "other_n1 other_n2" ]
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
	HL_RUN_FLAGS="-cluster-addr=127.0.0.1:$(port n5 cluster) -cluster-peers=nats://127.0.0.1:$(port n4 cluster)/" node_run n5
	wait_until 20 in_network n4 n5
	ok n5 '{"operation":"get_configuration"}' \
	    ".clustering.hubServer.cluster.network.routes == [{\"host\":\"127.0.0.1\",\"port\":$(port n4 cluster)}]"
}
