#!/usr/bin/env bats
# A node's stream on a cluster of somebody else's, read by NATS's own clients: test/client, an npm package.

load node.bash
load external.bash

servers="x1 x2 x3"

start_nodes()
{
	local n

	nats_make $servers
	nats_run $servers
	for n in n1 n2; do
		node_start $n NATS_URLS="$(nats_urls '' $servers)" REPLICATION_LOG_REPLICAS=3 \
		    NATS_SUBJECT_PREFIX=app.changes NATS_STREAM_PREFIX=app
	done
	wait_until 20 in_network n1 n2
	make_table n1 t
	subscribe n1 n2 t
}

clients()	# clients SERVER ROWS: so many transactions of dev.t are read there, from n1's stream
{
	(cd "$HL_T/client" && HL_NATS_URL=$(nats_url "$1") HL_STREAM=app_n1 HL_SUBJECT=app.changes.txn.n1 HL_ROWS=$2 \
	    timeout 120 node --test stream.test.js)
}

holds()		# holds N: each server that keeps n1's stream has so many messages of it at least
{
	nats_streams | jq -e --argjson n "$1" '[.[] | select(.name == "app_n1") | .state.messages] | length == 3 and min >= $n'
}

@test "NATS's clients list the streams and read one, on each server" {
	local s

	npm_packages client
	# What is written before there is a stream comes from the log.
	insert n1 t '{"id":"first"}'
	wait_until 20 holds 1
	load_rows n1 t "$HL_T/rows" -n 200 -c 4
	same_rows 20 t n1 n2
	wait_until 20 holds 2
	for s in $servers; do
		clients $s 200
	done
	# Their reading is nobody's business.
	wait_until 20 no_warnings n1
	insert n2 t '{"id":"back"}'
	wait_until 20 has_row n1 t '"back"'
}
