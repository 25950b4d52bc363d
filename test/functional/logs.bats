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

# ---- several streams ----

streams()	# streams NODE: their names, as its leaf server has them
{
	local url

	url=$(jq -r '.monitoring[0]' "$(find "$(root "$1")" -name "*_$(node_pid "$1" leaf).ports")")
	curl -s -m 5 "$url/jsz?streams=true" |
	    jq -r '[.account_details[].stream_detail[]?.name] | sort | join(" ")'
}

streams_are()
{
	[ "$(streams "$1")" = "$2" ]
}

in_use()	# in_use NODE: how many of them have messages
{
	local url

	url=$(jq -r '.monitoring[0]' "$(find "$(root "$1")" -name "*_$(node_pid "$1" leaf).ports")")
	curl -s -m 5 "$url/jsz?streams=true" |
	    jq '[.account_details[].stream_detail[]?.state.messages | select(. > 0)] | length'
}

# Rows would come from the log as well: n2 reads so many of its streams.
read_by_n2()	# read_by_n2 N
{
	local url

	url=$(jq -r '.monitoring[0]' "$(find "$(root n1)" -name "*_$(node_pid n1 leaf).ports")")
	[ "$(curl -s -m 5 "$url/jsz?consumers=true&config=true" |
	    jq '[.account_details[].stream_detail[]? | select(.name | startswith("HL_n1")) |
	        select([.consumer_detail[]?.config.name | select(startswith("HL_n2"))] != [])] | length')" -ge "$1" ]
}

shards()	# shards NODE N: live
{
	ok "$1" "{\"operation\":\"set_configuration\",\"replication_log_shards\":$2}"
}

fill()	# fill NODE FROM TO: single rows into each of s1 to s6
{
	local id table

	for id in $(seq "$2" "$3"); do
		for table in s1 s2 s3 s4 s5 s6; do
			insert "$1" $table "{\"id\":$id}" || return 1
		done
	done
}

all_equal()	# all_equal N: on both, and so many
{
	local table

	for table in s1 s2 s3 s4 s5 s6; do
		wait_until 30 counts n2 $table "$1" || return 1
		same_rows 30 $table n1 n2 || return 1
	done
}

@test "tables spread over several streams; a peer that has one reads them" {
	over_nats
	ok n1 '{"operation":"set_configuration","replication_log_max_entries":null}'
	shards n1 4
	wait_until 20 streams_are n1 "HL_n1+1of4 HL_n1+2of4 HL_n1+3of4 HL_n1+4of4"
	for t in s1 s2 s3 s4 s5 s6; do
		make_table n1 $t
		subscribe n1 n2 $t
	done
	fill n1 1 10
	all_equal 10
	[ "$(in_use n1)" -ge 3 ]
	wait_until 20 read_by_n2 3
	# And the other way.
	streams_are n2 HL_n2
	fill n2 11 15
	wait_until 20 counts n1 s1 15
	all_equal 15
	ok n1 '{"operation":"cluster_status"}' '[.connections[].subscriptions[]?.error // empty] == []'
	ok n2 '{"operation":"cluster_status"}' '[.connections[].subscriptions[]?.error // empty] == []'
	ok n1 '{"operation":"purge_stream","database":"dev","table":"s1"}' '.stream_messages > 0'
}

@test "fewer, more, and one again, while rows are written" {
	over_nats
	shards n1 2
	fill n1 16 20
	wait_until 20 streams_are n1 "HL_n1+1of2 HL_n1+2of2"
	fill n1 21 25
	all_equal 25
	shards n1 3
	fill n1 26 30
	shards n1 1
	fill n1 31 35
	wait_until 20 streams_are n1 HL_n1
	fill n1 36 40
	all_equal 40
	insert n1 s1 '{"id":41}'
	wait_until 10 has_row n2 s1 41
	delete n1 s1 41
}

@test "their number changes while a peer is away, and while the node is" {
	over_nats
	node_stop n2
	fill n1 42 46
	shards n1 4
	wait_until 20 streams_are n1 "HL_n1+1of4 HL_n1+2of4 HL_n1+3of4 HL_n1+4of4"
	fill n1 47 51
	node_stop n1
	sed -i 's/shards: 4/shards: 2/' "$HL_T/nodes/n1/hubleaf.yaml" "$(root n1)/settings.yaml"
	node_run n1
	wait_until 20 streams_are n1 "HL_n1+1of2 HL_n1+2of2"
	fill n1 52 56
	node_run n2
	all_equal 55
}

@test "every process is killed in turn, and nothing is lost" {
	over_nats
	for process in leaf leafd opsd; do
		fill n1 57 58
		node_kill n1 $process
		node_kill n2 $process
		wait_until 30 node_answers n1
		ids=$(seq 57 58 | paste -sd,)
		for t in s1 s2 s3 s4 s5 s6; do
			wait_until 30 counts n2 $t 57
			delete n1 $t "$ids"
			wait_until 30 counts n2 $t 55
		done
	done
	all_equal 55
}
