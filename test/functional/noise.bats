#!/usr/bin/env bats
# What is no HTTP, or not quite: a fixed number of odd connections.  Nothing ends, leaks
# (under the sanitizers) or stays open.

load node.bash

start_nodes()
{
	node_start n1 "OPERATIONSAPI_NETWORK_HEADERSTIMEOUT=2000" "OPERATIONSAPI_NETWORK_TIMEOUT=4000"
}

open_connections()	# those that the node has not closed
{
	ss -Htn state established state close-wait "sport = :$(port n1 api)" | wc -l
}

none_open()
{
	[ "$(open_connections)" = 0 ]
}

@test "1500 connections of noise: the node stays, and none of them does" {
	local pid seed

	pid=$(node_pid n1 opsd)
	for seed in 1 2 3; do
		timeout 120 "$HL_BUILD/test/functional/noise" "$(port n1 api)" 500 "$seed"
		ok n1 '{"operation":"describe_all"}'
	done
	wait_until 15 none_open
	[ "$(node_pid n1 opsd)" = "$pid" ]
	kill -0 "$pid"
}

@test "a connection that says nothing, or half a head, is closed in time" {
	local fd

	exec {fd}<>"/dev/tcp/127.0.0.1/$(port n1 api)"
	printf 'POST / HTTP/1.1\r\nHost' >&"$fd"
	[ "$(open_connections)" = 1 ]
	wait_until 10 none_open
	exec {fd}>&-
}
