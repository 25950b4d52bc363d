#!/usr/bin/env bats
# How a node's log leaves it: replication_log.

load node.bash

start_nodes()
{
	node_start n1
	node_start n2
	mesh n1 n2
}

wordy()	# wordy FROM TO: records, each with a long text that says little
{
	local id

	for id in $(seq "$1" "$2"); do
		printf '%s{"id":%d,"text":"%s"}' "${comma:-}" "$id" "$(printf 'all work and no play %.0s' {1..500})"
		comma=,
	done
	comma=
}

stream()	# stream NODE FIELD: of the state of its stream, as its leaf server says
{
	local url

	url=$(jq -r '.monitoring[0]' "$(find "$(root "$1")" -name "*_$(node_pid "$1" leaf).ports")")
	curl -s -m 5 "$url/jsz?streams=true" |
	    jq "[.account_details[].stream_detail[]? | select(.name | startswith(\"HL_$1\")) | .state.$2] | add"
}

keeps()	# keeps NODE N: so many messages
{
	[ "$(stream "$1" messages)" -eq "$2" ]
}

@test "what is compressed is read by who has not set it, and the other way round" {
	over_nats
	ok n1 '{"operation":"set_configuration","replication_log_compress":true}'
	make_table n1 t
	subscribe n1 n2 t
	insert n1 t "$(wordy 1 50)"
	insert n2 t "$(wordy 51 100)"
	wait_until 20 counts n1 t 100
	same_rows 20 t n1 n2
	# Half a megabyte each.
	[ "$(stream n1 bytes)" -lt 50000 ]
	[ "$(stream n2 bytes)" -gt 400000 ]
}

@test "it is changed while the node runs" {
	over_nats
	ok n1 '{"operation":"set_configuration","replication_log_compress":false}'
	insert n1 t "$(wordy 101 150)"
	same_rows 20 t n1 n2
	[ "$(stream n1 bytes)" -gt 400000 ]
}

@test "who was away for more messages than a stream keeps gets them from the log" {
	over_nats
	make_table n1 few
	subscribe n1 n2 few
	for i in {1..20}; do
		insert n1 few "{\"id\":$i}"
	done
	wait_until 10 counts n2 few 20
	ok n1 '{"operation":"set_configuration","replication_log_max_entries":10}'
	wait_until 20 keeps n1 10
	node_stop n2
	for i in {21..50}; do
		insert n1 few "{\"id\":$i}"
	done
	keeps n1 10
	node_run n2
	same_rows 30 few n1 n2
	insert n1 few '{"id":51}'
	wait_until 10 has_row n2 few 51
	# No copy of the table was needed.
	[ "$(grep -c 'cursor dev.few from node n1: copy' "$HL_T/nodes/n2/log")" -le 1 ]
}
