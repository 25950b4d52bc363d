#!/usr/bin/env bats
# The two nats-servers: what keeps one from running is said, tried again, and gone when its
# cause is.

load node.bash

start_nodes()
{
	node_start n1
	nats=$(readlink "/proc/$(node_pid n1 hub)/exe")
	echo "$nats" >"$HL_T/nats"
	node_make n2 NATSSERVER_PATH="$HL_T/nats-server" NATSSERVER_HANGTIMEOUT=8000 \
	    CLUSTERING_HUBSERVER_CLUSTER_NETWORK_ROUTES="[{\"host\":\"127.0.0.1\",\"port\":$(port n1 cluster)}]"
}

provide()	# provide FILE: that is the nats-server of n2
{
	ln -sfn "$1" "$HL_T/nats-server"
}

server_is()	# server_is NODE hub|leaf STATUS
{
	ask "$1" '{"operation":"cluster_status"}' | jq -e ".servers.$2.status == \"$3\""
}

warned()	# warned NODE hub|leaf TEXT
{
	ask "$1" '{"operation":"cluster_status"}' |
	    jq -e "[.warnings[] | select(.kind == \"server\" and .server == \"$2\" and (.message | contains(\"$3\")))] | length == 1"
}

@test "no nats-server at the start: both daemons wait for one" {
	node_run n2
	for s in hub leaf; do
		wait_until 10 server_is n2 $s errored
		warned n2 $s 'nats-server'
	done
	provide "$(cat "$HL_T/nats")"
	wait_until 15 node_ready n2
	wait_until 10 in_network n2 n1
	no_warnings n2
}

@test "folders that cannot be used at the start: the same" {
	node_stop n2
	rm -rf "$(root n2)/clustering"
	touch "$(root n2)/clustering"
	node_run n2
	for s in hub leaf; do
		wait_until 10 warned n2 $s clustering
	done
	rm "$(root n2)/clustering"
	wait_until 15 node_ready n2
	wait_until 10 in_network n2 n1
	no_warnings n2
}

@test "a server that ends by itself, as its port is taken: said until it stays" {
	local serving

	node_stop n2
	"$HL_BUILD/test/functional/serve" "$(port n2 leaf)" </dev/null >/dev/null 2>&1 3>&- &
	serving=$!
	disown $serving
	node_run n2
	wait_until 15 warned n2 leaf 'ends by itself' || { kill "$serving"; false; }
	kill "$serving"
	wait_until 20 node_ready n2
	wait_until 10 in_network n2 n1
	wait_until 10 no_warnings n2
}

@test "a server that hangs is noticed, said, killed and started anew" {
	local s pid

	for s in hub leaf; do
		pid[${#pid[@]}]=$(node_pid n2 $s)
		node_kill n2 $s STOP
	done
	for s in hub leaf; do
		wait_until 20 warned n2 $s 'does not answer'
		server_is n2 $s errored
	done
	wait_until 20 gone "${pid[0]}"
	wait_until 20 gone "${pid[1]}"
	wait_until 15 node_ready n2
	wait_until 15 in_network n2 n1
	no_warnings n2
}

@test "one that hangs does not hold up the end" {
	local s

	for s in hub leaf; do
		node_kill n2 $s STOP
		wait_until 20 warned n2 $s 'does not answer'
		break
	done
	kill -TERM "$(node_pid n2 run)"
	wait_until 5 node_is_gone n2
}

@test "a nats-server that does not even say its version: said, and nothing waits for it" {
	printf '#!/bin/sh\nsleep 1000\n' >"$HL_T/hangs"
	chmod +x "$HL_T/hangs"
	node_stop n2
	provide "$HL_T/hangs"
	node_run n2
	for s in hub leaf; do
		wait_until 15 warned n2 $s 'in time'
	done
	ok n2 '{"operation":"get_configuration"}'
	sleep 1
	kill -TERM "$(node_pid n2 run)"
	wait_until 3 node_is_gone n2
	node_run n2
	wait_until 15 warned n2 hub 'in time'
	provide "$(cat "$HL_T/nats")"
	wait_until 20 node_ready n2
	wait_until 10 in_network n2 n1
}
