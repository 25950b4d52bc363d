#!/usr/bin/env bats
# Which node, and which life of it: copies of a node's folder that are started, beside it
# or in its place.

load node.bash

setup_file() { :; }
teardown_file() { :; }

setup()
{
	hl_begin
	node_start n1
	node_start n2
	mesh n1 n2
	make_table n1 t
	subscribe n1 n2 t
	insert n1 t '{"id":"first 1"}'
	insert n2 t '{"id":"first 2"}'
	same_rows 10 t n1 n2
}

teardown()
{
	[ -n "${BATS_TEST_COMPLETED:-}" ] || {
		touch "$HL_T/failed"
		hl_show_logs
	}
	hl_end
}

# A copy of n1's folder of before two writes that n2 has takes its place.
put_back()
{
	node_stop n1
	cp -a "$(root n1)" "$HL_T/copy"
	node_run n1
	wait_until 20 node_ready n1
	insert n1 t '{"id":"lost 1"}'
	insert n1 t '{"id":"lost 2"}'
	wait_until 20 has_row n2 t '"lost 2"'
	node_stop n1
	rm -rf "$(root n1)"
	mv "$HL_T/copy" "$(root n1)"
}

write_four()	# write_four: before n2 can have told what it has
{
	for i in 1 2 3 4; do
		insert n1 t "{\"id\":\"new $i\"}"
		sleep 0.3	# each in a frame of its own
	done
}

has_all()	# on both: what was there, what was lost, what is new
{
	for n in n1 n2; do
		wait_until 30 counts $n t 8
	done
	same_rows 20 t n1 n2
	wait_until 10 eval 'insert n1 t "{\"id\":\"last 1\"}"'
	insert n2 t '{"id":"last 2"}'
	wait_until 20 has_row n2 t '"last 1"'
	wait_until 20 has_row n1 t '"last 2"'
	same_rows 20 t n1 n2
	wait_until 20 eval 'ask n1 "{\"operation\":\"cluster_status\"}" |
	    jq -e "[.connections[].subscriptions[].state] == [\"live\"]"'
}

@test "put back from an older copy under another name, and written to before it is reminded" {
	put_back
	echo CLUSTERING_NODENAME=n1b >>"$HL_T/nodes/n1/env"
	node_run n1
	write_four
	has_all
	grep -Eq 'what (node n2|the stream) has of the log is not in it' "$HL_T/nodes/n1/log"
}

@test "the same under the name of before" {
	put_back
	node_run n1
	write_four
	has_all
}

@test "put back while the peer is away: what it comes back with counts" {
	put_back
	node_stop n2
	node_run n1
	write_four
	node_run n2
	has_all
}

@test "the store alone put back: the stream knows more" {
	node_stop n1
	cp -a "$(root n1)/database" "$HL_T/copy"
	node_run n1
	wait_until 20 node_ready n1
	insert n1 t '{"id":"lost 1"}'
	insert n1 t '{"id":"lost 2"}'
	wait_until 20 has_row n2 t '"lost 2"'
	node_stop n1
	rm -rf "$(root n1)/database"
	mv "$HL_T/copy" "$(root n1)/database"
	node_run n1
	write_four
	has_all
}

@test "ends and kills in between are no other life" {
	for i in 1 2 3; do
		insert n1 t "{\"id\":\"a$i\"}"
		node_kill n1 opsd
		wait_until 10 node_answers n1
		insert n1 t "{\"id\":\"b$i\"}"
		node_kill n2 opsd
		wait_until 10 node_answers n2
	done
	node_stop n1
	node_run n1
	wait_until 20 node_ready n1
	insert n1 t '{"id":"last 1"}'
	wait_until 30 counts n2 t 9
	same_rows 20 t n1 n2
	! grep -h 'incarnation .* begins\|: copy:' "$HL_T"/nodes/*/log
}
